//! A digest of a multiset of rows: exact, the same in any order, and in any division among readers.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of one row.
pub(super) type RowHash = [u8; 32];

/// The sum modulo 2^256 of the SHA-256 of each row. A sum, not an XOR: two equal rows do not cancel out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MultisetDigest([u64; 4]);

/// The hash of one row as COPY wrote it, without its line end.
pub(super) fn hash_row(text: &[u8]) -> RowHash {
    Sha256::digest(text).into()
}

impl MultisetDigest {
    /// Takes one more row in.
    #[inline]
    pub fn add(&mut self, row: &RowHash) {
        let mut words = [0; 4];
        let (chunks, _) = row.as_chunks::<8>();
        for (word, bytes) in words.iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*bytes);
        }
        self.merge(&MultisetDigest(words));
    }

    /// Takes all rows of another digest in.
    #[inline]
    pub fn merge(&mut self, other: &MultisetDigest) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    /// The 32 bytes, least significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The opposite of [`MultisetDigest::to_bytes`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut digest = MultisetDigest::default();
        digest.add(bytes);
        digest
    }
}

impl fmt::Display for MultisetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for MultisetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<MultisetDigest> for String {
    fn from(digest: MultisetDigest) -> String {
        digest.to_string()
    }
}

/// A text that is not 64 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("a digest has 64 hex digits, this has not: {0:?}")]
pub struct NotADigest(String);

impl TryFrom<String> for MultisetDigest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotADigest(text));
        }
        let mut words = [0; 4];
        for (index, word) in words.iter_mut().rev().enumerate() {
            let part = &text[index * 16..(index + 1) * 16];
            *word = u64::from_str_radix(part, 16).map_err(|_| NotADigest(text.clone()))?;
        }
        Ok(MultisetDigest(words))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest<'a>(rows: impl IntoIterator<Item = &'a Vec<u8>>) -> MultisetDigest {
        let mut digest = MultisetDigest::default();
        rows.into_iter().for_each(|row| digest.add(&hash_row(row)));
        digest
    }

    proptest! {
        #[test]
        fn order_and_division_do_not_matter(
            (rows, shuffled) in proptest::collection::vec(any::<Vec<u8>>(), 0..20)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = digest(&rows);
            prop_assert_eq!(digest(&shuffled), whole);
            let cut = cut.index(rows.len() + 1);
            let mut parts = digest(&rows[..cut]);
            parts.merge(&digest(&rows[cut..]));
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn one_row_more_less_or_other_matters(
            rows in proptest::collection::vec(any::<Vec<u8>>(), 1..20),
            place in any::<prop::sample::Index>(),
            other in any::<Vec<u8>>(),
        ) {
            let place = place.index(rows.len());
            let whole = digest(&rows);
            let mut twice = rows.clone();
            twice.push(rows[place].clone());
            prop_assert_ne!(digest(&twice), whole);
            let mut without = rows.clone();
            without.remove(place);
            prop_assert_ne!(digest(&without), whole);
            let mut changed = rows.clone();
            changed[place] = other.clone();
            prop_assert_eq!(digest(&changed) == whole, rows[place] == other);
        }

        #[test]
        fn texts_and_bytes_read_back(row in any::<Vec<u8>>()) {
            let digest = digest(&[row.clone(), row]);
            prop_assert_eq!(MultisetDigest::try_from(digest.to_string()).unwrap(), digest);
            prop_assert_eq!(MultisetDigest::from_bytes(&digest.to_bytes()), digest);
        }
    }

    #[test]
    fn carries_run_through_all_words() {
        let mut digest = MultisetDigest([u64::MAX; 4]);
        digest.merge(&MultisetDigest([1, 0, 0, 0]));
        assert_eq!(digest, MultisetDigest::default());
    }
}

//! The forms in which a secret may stand in a text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::secret::Secret;

/// Shorter values are words that stand anywhere by chance, such as a password `test`.
pub const SHORTEST: usize = 8;

/// Every text that gives this secret away, longest first: as it is, percent-encoded, escaped for JSON, in hex, in base64 alone and
/// as a part of something longer. Empty for one that is too short to be told from ordinary words.
pub fn forms(secret: &Secret) -> Vec<String> {
    let value = secret.reveal();
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let mut forms = vec![
        value.to_owned(),
        percent_encoded(value, |byte| format!("%{byte:02X}")),
        percent_encoded(value, |byte| format!("%{byte:02x}")),
        value.replace('/', "\\/"),
        value.replace('+', "\\u002b").replace('=', "\\u003d"),
        // As PostgreSQL shows bytes.
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ];
    forms.extend(inside_base64(value));
    // The URL-safe alphabet of a value that is base64 itself, as the storage keys are.
    forms.push(value.replace('+', "-").replace('/', "_"));
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn percent_encoded(value: &str, escape: impl Fn(u8) -> String) -> String {
    value.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&escape(byte)),
        }
        encoded
    })
}

/// Inside a longer text in base64 the value begins at one of three offsets; the characters at its
/// ends also hold bits of its neighbours and are left off.
fn inside_base64(value: &str) -> impl Iterator<Item = String> {
    (0..3_usize).map(move |offset| {
        let padded = [vec![0; offset], value.as_bytes().to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(&padded);
        let start = (offset * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        encoded[start..end].to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_inside_a_longer_base64_text_is_seen_at_any_offset() {
        let secret = Secret::new("hunter2/hunter2+hunter2==");
        for before in ["", "a", "ab", "abc"] {
            let text = STANDARD.encode(format!("{before}{}zz", secret.reveal()));
            assert!(forms(&secret).iter().any(|form| text.contains(form)), "after {before:?}: {text}");
        }
    }

    #[test]
    fn a_secret_among_bytes_is_seen() {
        assert!(forms(&Secret::new("hunter2/")).contains(&"68756e746572322f".to_owned()));
    }

    #[test]
    fn an_ordinary_word_has_no_forms() {
        assert!(forms(&Secret::new("standby")).is_empty());
    }
}

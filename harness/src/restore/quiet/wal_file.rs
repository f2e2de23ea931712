//! Names of WAL files: eight hex digits each of timeline, and of the two halves of the file's number.

use super::FIRST;
use crate::observe::data::DataError;

/// Bytes at a file's start that are there before its first record.
const HEADER: i32 = 40;

/// The file with everything before a place in the WAL: the file of that place, or the one before where only its header is
/// written. `segment_size` in bytes.
pub(super) fn with_all_before(file: &str, offset: i32, segment_size: i64) -> Result<String, DataError> {
    if offset > HEADER { Ok(file.to_owned()) } else { before(file, segment_size) }
}

/// The file before this one, on the same timeline.
pub(super) fn before(file: &str, segment_size: i64) -> Result<String, DataError> {
    let parsed = || {
        let number = |from: usize| u64::from_str_radix(file.get(from..from + 8)?, 16).ok();
        let in_half = (1_u64 << 32).checked_div(u64::try_from(segment_size).ok()?)?;
        let before = (number(8)? * in_half + number(16)?).saturating_sub(1);
        Some(format!("{}{:08X}{:08X}", file.get(..8)?, before / in_half, before % in_half))
    };
    parsed().ok_or_else(|| not_understood(file))
}

pub(super) fn timeline(file: &str) -> Result<u32, DataError> {
    let digits = file.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    digits.ok_or_else(|| not_understood(file))
}

fn not_understood(file: &str) -> DataError {
    DataError::Answer {
        what: "read the name of a WAL file".to_owned(),
        database: FIRST.to_owned(),
        value: file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_before_is_on_the_same_timeline() {
        let (mib, half) = (1 << 20, "0000000A0000000200000000");
        assert_eq!(before(half, 16 * mib).unwrap(), "0000000A00000001000000FF");
        assert_eq!(before(half, mib).unwrap(), "0000000A0000000100000FFF");
        assert_eq!(before("0000000A0000000200000010", 16 * mib).unwrap(), "0000000A000000020000000F");
        assert_eq!(with_all_before(half, 40, 16 * mib).unwrap(), "0000000A00000001000000FF");
        assert_eq!(with_all_before(half, 48, 16 * mib).unwrap(), half);
        assert_eq!(timeline(half).unwrap(), 10);
        assert!(before("00000002.history", 16 * mib).is_err() && before(half, 0).is_err());
    }
}

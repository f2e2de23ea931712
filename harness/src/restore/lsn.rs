//! Places in the WAL.

use std::fmt;

/// A byte's place in the WAL of a cluster, as PostgreSQL counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// `16/B374D848`; none where it is no place.
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.trim().split_once('/')?;
        Some(Lsn(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?))
    }

    /// The number of the segment that it lies in; `size` in bytes, not 0.
    pub fn segment(self, size: u64) -> u64 {
        self.0 / size
    }

    /// Whether it is the first byte of a segment.
    pub fn begins_segment(self, size: u64) -> bool {
        self.0.is_multiple_of(size)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A WAL segment's file name in its parts: `000000020000000A000000FF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub timeline: u32,
    /// Counted from the cluster's beginning.
    pub number: u64,
}

impl Segment {
    /// Of the first 24 characters, which must be hexadecimal digits in capitals, and followed by nothing or by the end of a
    /// compressed file's name; `size` of a segment in bytes. A `.partial` or `.backup` is no segment.
    pub(super) fn parse(name: &str, size: u64) -> Option<Self> {
        let digits = name.get(..24)?;
        let rest = &name[24..];
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
        let ends = rest.is_empty()
            || (rest.starts_with('.') && !rest.contains(".partial") && !rest.contains(".backup"));
        if !plain || !ends || size == 0 {
            return None;
        }
        let number = |from: usize| u64::from_str_radix(&digits[from..from + 8], 16).ok();
        let timeline = u32::from_str_radix(&digits[..8], 16).ok()?;
        Some(Segment { timeline, number: number(8)? * ((1 << 32) / size) + number(16)? })
    }

    /// As PostgreSQL calls the file.
    pub(super) fn name(self, size: u64) -> String {
        let in_half = (1_u64 << 32) / size.max(1);
        format!("{:08X}{:08X}{:08X}", self.timeline, self.number / in_half, self.number % in_half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn places_in_the_wal_are_ordered_and_written_as_they_are_read() {
        let lsn = |text: &str| Lsn::parse(text).unwrap();
        assert!(lsn("16/B374D848") > lsn("16/0") && lsn("1/0") > lsn("0/FFFFFFFF"));
        assert_eq!(lsn("16/B374D848").to_string(), "16/B374D848");
        assert_eq!(Lsn::parse("nowhere"), None);
        assert!(lsn("0/3000000").begins_segment(16 * MIB) && !lsn("0/3000028").begins_segment(16 * MIB));
        assert_eq!(lsn("1/2000028").segment(16 * MIB), 0x102);
    }

    #[test]
    fn a_segment_is_known_by_its_name_whatever_compressed_it() {
        let size = 16 * MIB;
        for name in
            ["0000000200000001000000FF", "0000000200000001000000FF.lz4", "0000000200000001000000FF.br"]
        {
            let segment = Segment::parse(name, size).unwrap();
            assert_eq!((segment.timeline, segment.number), (2, 0x1FF));
            assert_eq!(segment.name(size), "0000000200000001000000FF");
        }
        for other in [
            "00000002.history.lz4",
            "0000000200000001000000FF.partial.lz4",
            "0000000200000001000000FF_delta",
            "",
        ] {
            assert_eq!(Segment::parse(other, size), None, "{other}");
        }
    }
}

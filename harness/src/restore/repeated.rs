//! A fetch that fails again for the same reason: WAL-G tries a part of a backup again after minutes, many times, and each
//! bootstrap begins anew.

use super::refusal::Refusal;
use crate::environment::cluster::PodLogs;
use crate::observe::catalogue;
pub(super) use crate::observe::logs::parts::FAILED_PART;
use crate::observe::logs::parts::{FAILURES, FailedPart, failed_again};

const ENTRY: &str = "backup-part-unreadable";

/// A part of a backup that failed twice with one error.
pub(super) fn repeated(logs: &PodLogs) -> Option<Refusal> {
    // Looking through all lines is for when there is something to find.
    if FAILED_PART.iter().map(|text| logs.seen(text)).max()? < FAILURES {
        return None;
    }
    let logs = logs.so_far();
    let lines = logs.iter().flat_map(|log| &log.lines).map(|line| line.text.as_str());
    refusal(lines)
}

fn refusal<'l>(lines: impl Iterator<Item = &'l str>) -> Option<Refusal> {
    let FailedPart { part, why, line } = failed_again(lines)?;
    let known = Refusal::known(catalogue::by_name(ENTRY)?, vec![line]);
    let why = format!("WAL-G failed {FAILURES} times to unpack {part}: {why}; {}", known.why);
    Some(Refusal { why, ..known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_fails_twice_with_one_error_is_evidence() {
        let line = |minute: u32, part: u32, why: &str| {
            format!(
                "ERROR: 2026/11/25 22:{minute:02}:00.123456 Extraction error in part_00{part}.tar.lz4: {why}"
            )
        };
        let eof = "extractOne: tar extract failed: unexpected EOF";
        let found = |lines: &[String]| refusal(lines.iter().map(String::as_str)).map(|found| found.why);
        assert_eq!(found(&[line(0, 1, eof), line(0, 2, eof)]), None);
        assert_eq!(found(&[line(0, 1, eof), line(1, 1, "extractOne: Interpret failed: x")]), None);
        let passing = "read tcp 10.0.0.1:1: i/o timeout";
        assert_eq!(found(&[line(0, 1, passing), line(1, 1, passing)]), None);
        let why = found(&[line(0, 1, eof), line(0, 2, eof), line(1, 1, eof)]).unwrap();
        assert!(why.contains("part_001.tar.lz4") && why.contains("unexpected EOF"), "{why}");
        let bare = "ERROR: 2026/11/25 22:00:00.1 part_003.tar.lz4 DecryptAndDecompressTar: lz4 decompress failed. Is archive encrypted?: EOF";
        let why = found(&[bare.to_owned(), bare.to_owned()]).unwrap();
        assert!(why.contains("part_003.tar.lz4") && why.contains(ENTRY), "{why}");
    }
}

//! What the server's log tells of a recovery's course: which files came from the archive, what was wrong with the last of
//! them, and which timeline began at its end.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;

use super::lsn::{Lsn, Segment};
use super::recovery::Said;

/// A server begins a recovery from an archive; the last one counts.
const BEGINS: [&str; 2] = ["starting point-in-time recovery", "starting archive recovery"];
/// It goes on until here. What is restored afterwards is the last file once more.
const ENDS: [&str; 2] = ["redo done at", "redo is not required"];

/// No clone script begins so; Patroni does where it finds data that were not recovered to their end.
const STANDBY: &str = "entering standby mode";

static RESTORED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"restored log file "([^"]+)" from archive"#).expect("a constant, and tested")
});
static TIMELINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"selected new timeline ID: (\d+)").expect("a constant, and tested"));
/// All by which PostgreSQL (13 to 18) says that bytes are no WAL that could follow.
static COMPLAINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "(?:LOG|FATAL|WARNING|ERROR): +(.*(?:\
         invalid record length|invalid record offset|record length \\d+ at|incorrect resource manager data checksum|\
         incorrect prev-link|invalid resource manager ID|invalid magic number|invalid info bits|unexpected pageaddr|\
         out-of-sequence timeline ID|WAL file is from different database system|invalid contrecord length|\
         there is no contrecord flag|contrecord is requested by|missing contrecord|record with (?:zero|invalid|incorrect) length|\
         invalid (?:block_id|compressed image|image at)|could not decompress image|out-of-order block_id|\
         BKPIMAGE_\\w+ |BKPBLOCK_\\w+ |unexpected timeline ID|has wrong size).*)$",
    )
    .expect("a constant, and tested")
});
static IN_SEGMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("(?:segment|file) \"?([0-9A-F]{24})").expect("a constant, and tested"));
static AT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:at|LSN) ([0-9A-F]+/[0-9A-F]+)").expect("a constant, and tested"));

/// What is known of the recovery that gave the clone its data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Replay {
    /// Names of WAL files that came from the archive and were read.
    pub restored: BTreeSet<String>,
    /// The last thing that was wrong with what had come; nothing was restored after it.
    pub complaint: Option<Complaint>,
    /// The timeline that it began at its end.
    pub timeline: Option<u32>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The server was started again in the middle of it, by somebody who knows nothing of its target.
    pub interrupted: bool,
}

/// Bytes that are no WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The server's words, without the frame of its log.
    pub says: String,
    /// The file that it names.
    file: Option<String>,
    at: Option<Lsn>,
}

impl Replay {
    /// Of lines in the order of time.
    pub(super) fn of(said: &[Said]) -> Self {
        let is = |line: &Said, texts: &[&str]| texts.iter().any(|text| line.text.contains(text));
        let Some(begin) = said.iter().rposition(|line| is(line, &BEGINS)) else { return Replay::default() };
        let mut replay = Replay::default();
        for line in &said[begin..] {
            if let Some(found) = TIMELINE.captures(&line.text) {
                replay.timeline = found[1].parse().ok();
                replay.ended.get_or_insert(line.time);
                break;
            }
            if replay.ended.is_some() {
                continue;
            }
            replay.interrupted |= line.text.contains(STANDBY);
            if let Some(found) = RESTORED.captures(&line.text) {
                if replay.restored.insert(found[1].to_owned()) {
                    replay.complaint = None;
                }
            } else if let Some(found) = COMPLAINT.captures(&line.text) {
                replay.complaint = Some(Complaint::of(&found[1]));
            } else if is(line, &ENDS) {
                replay.ended = Some(line.time);
            }
        }
        replay
    }

    /// The last segment that came from the archive; `size` of one in bytes.
    pub(super) fn last_restored(&self, size: u64) -> Option<Segment> {
        let segments = self.restored.iter().filter_map(|name| Segment::parse(name, size));
        segments.max_by_key(|segment| (segment.number, segment.timeline))
    }

    /// The file from the archive that is no WAL from some place on, and what the server says of it. What did not come from the
    /// archive is none: the server also looks into files that it has kept for later use.
    pub(super) fn broken(&self, ended: Lsn, size: u64) -> Option<(String, &str)> {
        let complaint = self.complaint.as_ref()?;
        let number = match (&complaint.file, complaint.at) {
            (Some(file), _) => Segment::parse(file, size)?.number,
            (None, Some(at)) => at.segment(size),
            // It says that of the file that it has just opened.
            (None, None) => self.last_restored(size)?.number,
        };
        let of_number = |name: &&String| Segment::parse(name, size).is_some_and(|one| one.number == number);
        let file = self.restored.iter().rev().find(of_number)?;
        // A file before the end was replayed as it is.
        (number >= ended.segment(size)).then(|| (file.clone(), complaint.says.as_str()))
    }
}

impl Complaint {
    fn of(says: &str) -> Self {
        Complaint {
            says: says.to_owned(),
            file: IN_SEGMENT.captures(says).map(|found| found[1].to_owned()),
            at: AT.captures(says).and_then(|found| Lsn::parse(&found[1])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 16 << 20;

    fn replay(lines: &[&str]) -> Replay {
        let time = |second: usize| Timestamp::from_second(1_800_000_000 + second as i64).unwrap();
        let said = lines.iter().enumerate();
        let said: Vec<Said> =
            said.map(|(second, text)| Said { time: time(second), text: (*text).to_owned() }).collect();
        Replay::of(&said)
    }

    const BEGIN: &str = "[1]: LOG:  starting archive recovery";
    const THREE: &str = r#"[1]: LOG:  restored log file "000000010000000000000003" from archive"#;
    const FOUR: &str = r#"[1]: LOG:  restored log file "000000010000000000000004" from archive"#;
    const END: &str = "[1]: LOG:  redo done at 0/4000028 system usage: CPU: user: 0.00 s";

    #[test]
    fn the_last_recovery_counts_and_ends_with_its_redo() {
        let seen = replay(&[
            "[1]: LOG:  starting point-in-time recovery to 2026-11-25 22:00:00+00",
            r#"[1]: LOG:  restored log file "000000010000000000000009" from archive"#,
            BEGIN,
            THREE,
            FOUR,
            END,
            THREE,
            "[1]: LOG:  selected new timeline ID: 2",
            "[1]: LOG:  selected new timeline ID: 3",
        ]);
        let restored: Vec<&String> = seen.restored.iter().collect();
        assert_eq!(restored, ["000000010000000000000003", "000000010000000000000004"]);
        assert_eq!((seen.timeline, seen.complaint.as_ref()), (Some(2), None));
        assert_eq!(seen.ended, Some(Timestamp::from_second(1_800_000_005).unwrap()));
        assert_eq!(seen.last_restored(SIZE).unwrap().number, 4);
        assert_eq!(replay(&["LOG:  redo done at 0/1"]), Replay::default());
    }

    #[test]
    fn what_is_no_wal_in_a_file_of_the_archive_is_told_by_each_major() {
        let ended = Lsn(0x400_0060);
        for says in [
            "invalid record length at 0/4000060: wanted 24, got 0",
            "invalid record length at 0/4000060: expected at least 24, got 0",
            "incorrect resource manager data checksum in record at 0/4000060",
            "record with incorrect prev-link 0/3000060 at 0/4000060",
            "unexpected pageaddr 0/2000000 in log segment 000000010000000000000004, offset 8192",
            "unexpected pageaddr 0/2000000 in WAL segment 000000010000000000000004, LSN 0/4002000, offset 8192",
            "invalid magic number 0000 in WAL segment 000000010000000000000004, LSN 0/4002000, offset 8192",
            "WAL file is from different database system: WAL file database system identifier is 1, pg_control database system identifier is 2",
        ] {
            let line = format!("[1]: LOG:  {says}");
            let seen = replay(&[BEGIN, THREE, FOUR, &line, END]);
            let expected = ("000000010000000000000004".to_owned(), says);
            assert_eq!(seen.broken(ended, SIZE), Some(expected), "{says}");
        }
    }

    #[test]
    fn a_recovery_that_somebody_else_took_over_is_known() {
        assert!(!replay(&[BEGIN, THREE, END]).interrupted);
        assert!(replay(&[BEGIN, THREE, "[1]: LOG:  entering standby mode", FOUR, END]).interrupted);
        // What the clone does later is its own affair.
        let later = [BEGIN, THREE, END, "LOG:  selected new timeline ID: 2", "LOG:  entering standby mode"];
        assert!(!replay(&later).interrupted);
    }

    #[test]
    fn a_file_that_the_server_had_kept_for_later_accuses_nobody() {
        let ended = Lsn(0x500_0000);
        let kept =
            "[1]: LOG:  unexpected pageaddr 0/1000000 in log segment 000000010000000000000005, offset 0";
        assert_eq!(replay(&[BEGIN, THREE, FOUR, kept, END]).broken(ended, SIZE), None);
        // The trouble passed: another file was restored after it.
        let passed = "[1]: LOG:  invalid record length at 0/3000060: wanted 24, got 0";
        assert_eq!(replay(&[BEGIN, THREE, passed, FOUR, END]).broken(ended, SIZE), None);
        assert_eq!(replay(&[BEGIN, THREE, FOUR, END]).broken(ended, SIZE), None);
    }
}

//! Where a recovery's time went, and how far it came: from the logs of WAL-G, Spilo and PostgreSQL, and from the API's
//! own times.

use jiff::Timestamp;

use crate::observe::logs::recovery::{self, CLONE_SCRIPT};
use crate::report::{Backup, RecoveryPhase, RecoveryPhaseName};

/// Patroni begins with the clone script. Spilo's own scripts say the same of others.
const SCRIPT: [&str; 2] = [CLONE_SCRIPT, "clone_with_wale"];
/// The script has chosen: `cloning cluster X using wal-g backup-fetch /…/pgdata base_…`.
const FETCHES: &str = " backup-fetch ";
/// The first sign that the base backup is there; what comes first counts.
const FETCHED: [&str; 4] = [
    "Backup extraction complete",
    "starting point-in-time recovery",
    "starting archive recovery",
    "starting backup recovery",
];
const FETCHED_WAL: &str = "restored log file";
/// The last sign that WAL is replayed; what comes last counts.
const REPLAYED: [&str; 4] =
    ["redo done at", "recovery stopping", "last completed transaction", "archive recovery complete"];

/// One line of one of the logs, at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub time: Timestamp,
    pub text: String,
}

/// When what happened to the clone, by our own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// The API server took the manifest.
    pub created: Timestamp,
    /// It took connections as a leader.
    pub usable: Timestamp,
    /// All that was asked for was read.
    pub verified: Timestamp,
}

/// What the logs tell of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recovery {
    pub backup: Option<Backup>,
    /// Commit time of the last transaction that was replayed.
    pub recovered_to: Option<Timestamp>,
    /// A transaction after the target was seen: everything until then came back.
    pub stopped_at_target: bool,
    /// Its end was seen.
    pub ended: bool,
    /// The lines that end phases, where there are any.
    ends: [(RecoveryPhaseName, Option<Said>); 4],
    /// How many files of WAL were fetched.
    wal_files: usize,
}

/// Where a recovery's time went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spent {
    /// In the order of time; they add up to the whole.
    pub phases: Vec<RecoveryPhase>,
    /// The longest phase, and what it was.
    pub largest_cause: String,
}

impl Recovery {
    /// `said` in the order of time, of a clone that was created then; attempts that failed may be among it.
    pub(super) fn of(said: &[Said], created: Timestamp) -> Self {
        // The last attempt is the one that came to its end.
        let begins = |line: &Said| SCRIPT.iter().all(|text| line.text.contains(text));
        let begin = said.iter().rposition(begins);
        let attempt = &said[begin.unwrap_or(0)..];
        let is =
            |texts: &'static [&str]| move |line: &&Said| texts.iter().any(|text| line.text.contains(text));
        let fetch = attempt.iter().find(is(&[FETCHES]));
        let after = fetch.map_or(created, |line| line.time);
        let fetched = attempt.iter().filter(is(&FETCHED)).find(|line| line.time >= after);
        let replayed = attempt.iter().rev().find(is(&REPLAYED));
        let ends = [
            (RecoveryPhaseName::Start, begin.map(|index| &said[index])),
            (RecoveryPhaseName::ListBackups, fetch),
            (RecoveryPhaseName::Fetch, fetched),
            (RecoveryPhaseName::Replay, replayed),
        ];
        Recovery {
            backup: fetch.and_then(|line| backup(&line.text)),
            recovered_to: attempt.iter().rev().find_map(|line| last_commit(&line.text)),
            stopped_at_target: replayed_to_target(attempt),
            ended: replayed.is_some(),
            ends: ends.map(|(phase, line)| (phase, line.cloned())),
            wal_files: attempt.iter().filter(is(&[FETCHED_WAL])).count(),
        }
    }

    /// Where the time went, once it is known when the clone could be used and was verified.
    pub(super) fn spent(&self, course: Course) -> Spent {
        let seen = self
            .ends
            .iter()
            .map(|(phase, line)| (*phase, line.as_ref().map(|Said { time, text }| (*time, text.clone()))));
        let ends = seen.chain([
            (
                RecoveryPhaseName::Promote,
                Some((course.usable, "the clone takes connections as a leader".to_owned())),
            ),
            (
                RecoveryPhaseName::Verify,
                Some((course.verified, "everything that was asked for was read".to_owned())),
            ),
        ]);
        let phases = phases(course, ends);
        Spent { largest_cause: largest(&phases, self.wal_files), phases }
    }
}

impl Spent {
    pub(super) fn milliseconds(&self) -> u64 {
        self.phases.iter().map(|phase| phase.milliseconds).sum()
    }
}

/// One after the other: what no line shows, belongs to the phase after it. Clocks of several machines may disagree, so no
/// phase begins before the one before it.
fn phases(
    course: Course,
    ends: impl Iterator<Item = (RecoveryPhaseName, Option<(Timestamp, String)>)>,
) -> Vec<RecoveryPhase> {
    let mut began = course.created;
    let mut phases = Vec::new();
    for (phase, end) in ends {
        let Some((end, shown_by)) = end else { continue };
        let limit = if phase == RecoveryPhaseName::Verify { course.verified } else { course.usable };
        let end = end.clamp(began, limit.max(began));
        let milliseconds = u64::try_from(end.duration_since(began).as_millis()).unwrap_or_default();
        phases.push(RecoveryPhase { phase, began, milliseconds, shown_by });
        began = end;
    }
    phases
}

/// The word after the data folder.
fn backup(line: &str) -> Option<Backup> {
    let (_, rest) = line.split_once(FETCHES)?;
    let name = rest.split_whitespace().nth(1)?;
    Some(Backup { name: name.to_owned(), started: None })
}

fn last_commit(line: &str) -> Option<Timestamp> {
    recovery::last_commit(line)?.replacen(' ', "T", 1).parse().ok()
}

/// By the last word: an attempt that came to the end of the WAL is followed by one without a target.
fn replayed_to_target(attempt: &[Said]) -> bool {
    attempt.iter().rev().find_map(|line| recovery::reached_target(&line.text)).unwrap_or(false)
}

fn largest(phases: &[RecoveryPhase], wal_files: usize) -> String {
    let Some(phase) = phases.iter().max_by_key(|phase| phase.milliseconds) else { return String::new() };
    let what = match phase.phase {
        RecoveryPhaseName::Start => {
            "the operator, the scheduler, the volume and the image, until the clone script ran".to_owned()
        }
        RecoveryPhaseName::ListBackups => "WAL-G listing the backups".to_owned(),
        RecoveryPhaseName::Fetch => "WAL-G fetching the base backup".to_owned(),
        RecoveryPhaseName::Replay => {
            format!("PostgreSQL replaying WAL ({wal_files} files), each fetched by a WAL-G of its own")
        }
        RecoveryPhaseName::Promote => "promotion, until the leader took connections".to_owned(),
        RecoveryPhaseName::Verify => "reading all data of the clone".to_owned(),
    };
    format!("{}: {what}", phase.phase.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn said(lines: &[(i64, &str)]) -> Vec<Said> {
        lines.iter().map(|(seconds, text)| Said { time: at(*seconds), text: (*text).to_owned() }).collect()
    }

    const COURSE: fn() -> Course = || Course { created: at(0), usable: at(50), verified: at(60) };

    #[test]
    fn the_phases_of_the_last_attempt_add_up() {
        let lines = said(&[
            (2, "INFO: Running custom bootstrap script: envdir x /scripts/clone_with_wale.py"),
            (3, "INFO: cloning cluster a using wal-g backup-fetch /home/postgres/pgdata base_1"),
            (4, "ERROR: Clone failed"),
            (8, "INFO: Running custom bootstrap script: envdir x /scripts/clone_with_wale.py"),
            (
                10,
                "INFO: cloning cluster a using wal-g backup-fetch /home/postgres/pgdata base_000000010000000000000004",
            ),
            (29, "maybe_pg_upgrade INFO: Running custom bootstrap script: true"),
            (30, "[1]: LOG:  starting point-in-time recovery to 2027-01-15 08:00:00+00"),
            (
                41,
                "[1]: LOG:  recovery stopping before commit of transaction 740, time 2027-01-15 08:00:01.5+00",
            ),
            (42, "[1]: LOG:  last completed transaction was at log time 2027-01-15 07:59:59.25+00"),
        ]);
        let recovery = Recovery::of(&lines, at(0));
        let spent = recovery.spent(COURSE());
        let lengths: Vec<(&str, u64)> =
            spent.phases.iter().map(|phase| (phase.phase.name(), phase.milliseconds / 1000)).collect();
        let expected = [
            ("start", 8),
            ("list-backups", 2),
            ("fetch", 20),
            ("replay", 12),
            ("promote", 8),
            ("verify", 10),
        ];
        assert_eq!(lengths, expected);
        assert_eq!(spent.milliseconds(), 60_000);
        assert_eq!(recovery.backup.unwrap().name, "base_000000010000000000000004");
        assert_eq!(recovery.recovered_to, Some("2027-01-15T07:59:59.25Z".parse().unwrap()));
        assert!(recovery.stopped_at_target);
        assert!(spent.largest_cause.starts_with("fetch: "), "{}", spent.largest_cause);
    }

    #[test]
    fn what_no_line_shows_belongs_to_the_next_phase() {
        let lines = said(&[
            (10, "using wal-g backup-fetch /data base_1"),
            (20, "FATAL:  recovery ended before configured recovery target was reached"),
        ]);
        let recovery = Recovery::of(&lines, at(0));
        let spent = recovery.spent(COURSE());
        let names: Vec<&str> = spent.phases.iter().map(|phase| phase.phase.name()).collect();
        assert_eq!(names, ["list-backups", "promote", "verify"]);
        assert_eq!(spent.milliseconds(), 60_000);
        assert!(!recovery.stopped_at_target);
    }

    #[test]
    fn clocks_that_disagree_give_no_negative_time() {
        let lines = said(&[
            (-5, "Running custom bootstrap script: clone_with_wale.py"),
            (90, "redo done at 0/3000028"),
        ]);
        let recovery = Recovery::of(&lines, at(0));
        let spent = recovery.spent(COURSE());
        assert_eq!(spent.milliseconds(), 60_000);
        assert_eq!(spent.phases[0].milliseconds, 0);
    }
}

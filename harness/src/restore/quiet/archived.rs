//! Waiting until a quiet moment's WAL is in the archive. The source archives by itself; it is asked to end its WAL file only
//! where its owner lets it be asked.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{ASK, FIRST, QuietError, QuietMoment, asked, query, wal_file};
use crate::observe::data::{Connect, DataError, Session};
use crate::poll::{Limit, Patience, done_within};

/// Digits of the name of a WAL file; what follows tells of backups and timelines.
const WAL_NAME: usize = 24;
/// What archiving itself may take, beyond the source's `archive_timeout`.
const MARGIN: Duration = Duration::from_secs(300);
/// Once the moment itself is archived, a first commit after it is waited for so long: it may be in the same file, it may
/// be in one that nobody ever fills.
const IDLE: Duration = Duration::from_secs(5);

/// A file that was not ended for so much longer than `archive_timeout` holds nothing that matters.
const OVERDUE: Duration = Duration::from_secs(30);

/// In one query, so that the place in the WAL is read after the snapshot that shows who has ended.
const LOOK: &str = "
SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next, f.file_name AS file, f.file_offset AS offset,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size') AS segment_size,
       (SELECT setting::int FROM pg_settings WHERE name = 'archive_timeout') AS archive_timeout,
       split_part(c.next_xid, ':', 1)::bigint << 32 | split_part(c.next_xid, ':', 2)::bigint AS checkpoint_next,
       c.oldest_active_xid::text::bigint AS checkpoint_oldest, c.redo_wal_file AS checkpoint_file,
       coalesce(a.last_archived_wal, '') AS archived, coalesce(a.last_failed_wal, '') AS failed, a.failed_count AS failures,
       coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false) AS failing,
       current_setting('archive_mode') AS mode, current_setting('archive_command') IN ('', '/bin/true', 'true')
       AND coalesce(current_setting('archive_library', true), '') = '' AS nowhere
FROM pg_stat_archiver a, pg_control_checkpoint() c, pg_walfile_name_offset(pg_current_wal_insert_lsn()) f";

/// What of the source is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The WAL file that had to be.
    pub file: String,
    /// A commit after the moment is known to be archived too, at which recovery to it stops. Where there is none,
    /// recovery meets the end of the WAL and holds that the target was never reached; Spilo then recovers with no target at all,
    /// which gives the same unless something is committed and archived meanwhile.
    pub commit_after: bool,
}

/// How long a source may take by its own settings: its `archive_timeout` and 5 minutes.
///
/// # Errors
/// When the source cannot be reached or asked.
pub async fn default_archived_within(source: &Connect, session: Session) -> Result<Duration, DataError> {
    let client = source.open_as(FIRST, &session).await?;
    let timeout = "SELECT setting::int FROM pg_settings WHERE name = 'archive_timeout'";
    let seconds: i32 = asked(&client, timeout).await?;
    Ok(Duration::from_secs(seconds.unsigned_abs().into()) + MARGIN)
}

/// How the archive is waited for.
pub struct Awaiting<'a> {
    /// How long the WAL may take.
    pub limit: Duration,
    /// The source may be asked to end its WAL file.
    pub switch_wal: bool,
    /// Hears what is waited for, whenever that is looked at.
    pub told: &'a (dyn Fn(String) + Sync),
}

/// As [`awaited`], without a word, and without asking the source for anything.
///
/// # Errors
/// As there.
pub async fn archived(
    source: &Connect,
    moment: &QuietMoment,
    limit: Duration,
    session: Session,
) -> Result<Archived, QuietError> {
    awaited(source, moment, session, &Awaiting { limit, switch_wal: false, told: &|_| () }).await
}

/// Waits until the archive has all that a recovery to this moment needs.
///
/// # Errors
/// [`QuietError::TimedOut`] after the limit, with what was archived last and how often it failed; [`QuietError::NotArchiving`] and
/// [`QuietError::OtherTimeline`] at once.
pub async fn awaited(
    source: &Connect,
    moment: &QuietMoment,
    session: Session,
    awaiting: &Awaiting<'_>,
) -> Result<Archived, QuietError> {
    let Awaiting { limit, switch_wal, told } = *awaiting;
    let client = source.open_as(FIRST, &session).await?;
    let what = format!("WAL file {} of the source to be archived", moment.wal_file);
    let limit = Limit {
        total: limit,
        first_interval: Duration::from_millis(100),
        longest_interval: Duration::from_millis(500),
    };
    let mut patience = Patience::new(what, limit);
    if switch_wal {
        // It ends nothing where nothing was written since the last end.
        asked::<String>(&client, "SELECT pg_switch_wal()::text").await?;
    }
    let mut all =
        Needed { file: moment.wal_file.clone(), below: moment.next_transaction, since: Instant::now() };
    let mut has_all: Option<Instant> = None;
    // Of the first that commits after the moment.
    let mut commit: Option<Needed> = None;
    loop {
        if asked::<bool>(&client, "SELECT pg_is_in_recovery()").await? {
            return Err(QuietError::InRecovery);
        }
        let look = look(&client).await?;
        still_archives(&look, moment)?;
        if look.next > moment.next_transaction && commit.is_none() {
            let file = wal_file::with_all_before(&look.file, look.offset, look.segment_size)?;
            commit = Some(Needed { file, below: moment.next_transaction + 1, since: Instant::now() });
        }
        for needed in [Some(&mut all), commit.as_mut()].into_iter().flatten() {
            needed.narrow(&look, moment)?;
        }
        let has = |file: &str| look.archived.get(..WAL_NAME).is_some_and(|archived| archived >= file);
        if !has(&all.file) {
            has_all = None;
        } else if let Some(commit) = commit.as_ref().filter(|commit| has(&commit.file)) {
            return Ok(Archived { file: commit.file.clone().max(all.file), commit_after: true });
        } else if has_all.get_or_insert_with(Instant::now).elapsed() >= IDLE {
            return Ok(Archived { file: all.file, commit_after: false });
        }
        let after = match &commit {
            Some(commit) => format!("the first commit after the moment is in {} at the latest", commit.file),
            None => "nothing was committed since".to_owned(),
        };
        let failing = match look.failing {
            true => format!(", archiving fails, {} times so far, last of {}", look.failures, look.failed),
            false => String::new(),
        };
        let archived = if look.archived.is_empty() { "nothing" } else { &look.archived };
        told(look.awaited(if has_all.is_some() { commit.as_ref() } else { Some(&all) }, moment));
        patience.pause(format!("archived last: {archived}{failing}; {after}")).await?;
    }
}

/// What was committed by all transactions with numbers below `below` is in this WAL file or before.
struct Needed {
    file: String,
    below: i64,
    /// All of them had committed then.
    since: Instant,
}

impl Needed {
    /// A file that nobody writes to any more is never ended, so never archived: looks whether an earlier one is enough.
    fn narrow(&mut self, look: &Look, moment: &QuietMoment) -> Result<(), DataError> {
        let same_timeline = wal_file::timeline(&look.checkpoint_file)? == moment.timeline;
        if same_timeline && look.ended_before_checkpoint(self.below) && look.checkpoint_file < self.file {
            self.file.clone_from(&look.checkpoint_file);
        }
        // With a commit in it, the server would have ended it by now.
        let limit = look.archive_timeout + OVERDUE;
        if !look.archive_timeout.is_zero() && self.since.elapsed() > limit && self.file == look.file {
            self.file = wal_file::before(&look.file, look.segment_size)?;
        }
        Ok(())
    }
}

struct Look {
    next: i64,
    file: String,
    offset: i32,
    segment_size: i64,
    archive_timeout: Duration,
    checkpoint_next: i64,
    checkpoint_oldest: i64,
    checkpoint_file: String,
    archived: String,
    failed: String,
    failures: i64,
    failing: bool,
    mode: String,
    nowhere: bool,
}

impl Look {
    /// What is waited for, what decides how long it takes, and until when it takes at most.
    fn awaited(&self, needed: Option<&Needed>, moment: &QuietMoment) -> String {
        let Some(Needed { file, .. }) = needed else {
            return "the moment is archived; waiting some seconds for a commit after it".to_owned();
        };
        let what = format!("waiting for the source to archive {file}");
        if self.failing {
            return format!(
                "{what}; its archiving fails, {} times so far, last of {}",
                self.failures, self.failed
            );
        }
        if *file < self.file {
            return format!("{what}, which it has ended");
        }
        if self.archive_timeout.is_zero() {
            return format!(
                "{what}, which it ends only when it is full, since its archive_timeout is 0: `compare.switch_wal: true` lets the \
                 drill end it"
            );
        }
        let latest = moment.target.saturating_add(self.archive_timeout);
        let latest = latest.map_or_else(
            |_| String::new(),
            |time| format!(", at {} at the latest", time.strftime("%H:%M:%SZ")),
        );
        format!(
            "{what}, which it ends by its archive_timeout of {:.0?}{latest}; `compare.switch_wal: true` lets the drill end it at \
             once",
            self.archive_timeout
        )
    }

    /// Whether every transaction below this number had ended where the last checkpoint begins: in its file, or before.
    fn ended_before_checkpoint(&self, number: i64) -> bool {
        const EPOCH: i64 = 1 << 32;
        // It has the lower half of the number, or 0 where it is not known.
        let oldest = (self.checkpoint_next & !(EPOCH - 1)) | self.checkpoint_oldest;
        let oldest = if oldest > self.checkpoint_next { oldest - EPOCH } else { oldest };
        self.checkpoint_oldest != 0 && oldest >= number
    }
}

async fn look(client: &Client) -> Result<Look, DataError> {
    done_within("what the source has archived", ASK, async {
        let failed = query("see what is archived", FIRST);
        let row = client.query_one(LOOK, &[]).await.map_err(&failed)?;
        let archive_timeout: i32 = row.try_get("archive_timeout").map_err(&failed)?;
        Ok(Look {
            next: row.try_get("next").map_err(&failed)?,
            file: row.try_get("file").map_err(&failed)?,
            offset: row.try_get("offset").map_err(&failed)?,
            segment_size: row.try_get("segment_size").map_err(&failed)?,
            archive_timeout: Duration::from_secs(archive_timeout.unsigned_abs().into()),
            checkpoint_next: row.try_get("checkpoint_next").map_err(&failed)?,
            checkpoint_oldest: row.try_get("checkpoint_oldest").map_err(&failed)?,
            checkpoint_file: row.try_get("checkpoint_file").map_err(&failed)?,
            archived: row.try_get("archived").map_err(&failed)?,
            failed: row.try_get("failed").map_err(&failed)?,
            failures: row.try_get("failures").map_err(&failed)?,
            failing: row.try_get("failing").map_err(&failed)?,
            mode: row.try_get("mode").map_err(&failed)?,
            nowhere: row.try_get("nowhere").map_err(&failed)?,
        })
    })
    .await
}

/// A source that was not replaced, and archives what it writes.
fn still_archives(look: &Look, moment: &QuietMoment) -> Result<(), QuietError> {
    let now = wal_file::timeline(&look.file)?;
    if now != moment.timeline {
        return Err(QuietError::OtherTimeline { then: moment.timeline, now });
    }
    if look.mode == "off" {
        return Err(QuietError::NotArchiving("its archive_mode is off".to_owned()));
    }
    if look.nowhere {
        return Err(QuietError::NotArchiving("its archive_command keeps nothing".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(next: i64, oldest: i64) -> Look {
        Look {
            next,
            file: String::new(),
            offset: 0,
            segment_size: 0,
            archive_timeout: Duration::ZERO,
            checkpoint_next: next,
            checkpoint_oldest: oldest,
            checkpoint_file: String::new(),
            archived: String::new(),
            failed: String::new(),
            failures: 0,
            failing: false,
            mode: String::new(),
            nowhere: false,
        }
    }

    #[test]
    fn what_is_waited_for_is_said_with_the_setting_that_decides_and_its_latest_time() {
        let time = "2026-11-25T22:00:00Z".parse().unwrap_or_default();
        let moment = QuietMoment {
            from: time,
            until: time,
            target: time,
            lsn: String::new(),
            wal_file: String::new(),
            timeline: 1,
            system_identifier: String::new(),
            next_transaction: 0,
            sequences: std::collections::BTreeMap::new(),
        };
        let needed = Needed { file: "5".to_owned(), below: 0, since: Instant::now() };
        let says = |look: &Look, text: &str| {
            let said = look.awaited(Some(&needed), &moment);
            assert!(said.contains(text), "{said}");
        };
        let current = Look { file: "5".to_owned(), archive_timeout: Duration::from_secs(1800), ..look(0, 0) };
        says(
            &current,
            "its archive_timeout of 1800s, at 22:30:00Z at the latest; `compare.switch_wal: true`",
        );
        says(&Look { archive_timeout: Duration::ZERO, ..current }, "since its archive_timeout is 0");
        says(&Look { file: "6".to_owned(), ..look(0, 0) }, "which it has ended");
        says(&Look { failing: true, failed: "4".to_owned(), ..look(0, 0) }, "its archiving fails");
    }

    #[test]
    fn a_checkpoint_tells_who_had_ended_before_it() {
        let epoch = 1 << 32;
        assert!(look(900, 890).ended_before_checkpoint(890) && !look(900, 890).ended_before_checkpoint(891));
        assert!(!look(900, 0).ended_before_checkpoint(1));
        assert!(look(3 * epoch + 900, 890).ended_before_checkpoint(3 * epoch + 890));
        // The oldest is from before the numbers began anew.
        let around = look(3 * epoch + 5, epoch - 7);
        assert!(
            around.ended_before_checkpoint(3 * epoch - 7) && !around.ended_before_checkpoint(3 * epoch - 6)
        );
    }
}

//! Waiting until a quiet moment's WAL is in the archive. The source archives by itself; it is never told to.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{ASK, FIRST, QuietError, QuietMoment, asked, query, timeline};
use crate::observe::data::{Connect, DataError, Session};
use crate::poll::{Limit, Patience, done_within};

/// Digits of the name of a WAL file; what follows tells of backups and timelines.
const WAL_NAME: usize = 24;
/// What archiving itself may take, beyond the source's `archive_timeout`.
const MARGIN: Duration = Duration::from_secs(300);
/// Once the moment itself is archived, a first commit after it is waited for so long: it may be in the same file, it may
/// be in one that nobody ever fills.
const IDLE: Duration = Duration::from_secs(5);

/// In one query, so that the place in the WAL is read after the snapshot that shows who has ended.
const LOOK: &str = "
SELECT pg_is_in_recovery() AS in_recovery, txid_snapshot_xmax(txid_current_snapshot()) AS next,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_insert_lsn()) END AS file,
       coalesce(a.last_archived_wal, '') AS archived, coalesce(a.last_failed_wal, '') AS failed, a.failed_count AS failures,
       coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false) AS failing,
       current_setting('archive_mode') AS mode, current_setting('archive_command') IN ('', '/bin/true', 'true')
       AND coalesce(current_setting('archive_library', true), '') = '' AS nowhere
FROM pg_stat_archiver a";

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

/// Waits until the archive has all that a recovery to this moment needs.
///
/// # Errors
/// [`QuietError::TimedOut`] after `limit`, with what was archived last and how often it failed; [`QuietError::NotArchiving`] and
/// [`QuietError::OtherTimeline`] at once.
pub async fn archived(
    source: &Connect,
    moment: &QuietMoment,
    limit: Duration,
    session: Session,
) -> Result<Archived, QuietError> {
    let client = source.open_as(FIRST, &session).await?;
    let what = format!("WAL file {} of the source to be archived", moment.wal_file);
    let limit = Limit {
        total: limit,
        first_interval: Duration::from_millis(100),
        longest_interval: Duration::from_millis(500),
    };
    let mut patience = Patience::new(what, limit);
    let mut has_moment: Option<Instant> = None;
    // The file with the first commit after the moment, or a later one.
    let mut needed: Option<String> = None;
    loop {
        let look = look(&client).await?;
        let file = still_archives(&look, moment)?;
        if needed.is_none() && look.next > moment.next_transaction {
            needed = Some(file.to_owned());
        }
        let has = |file: &str| look.archived.get(..WAL_NAME).is_some_and(|archived| archived >= file);
        if let Some(needed) = needed.as_ref().filter(|needed| has(needed)) {
            return Ok(Archived { file: needed.clone(), commit_after: true });
        }
        if has(&moment.wal_file) && has_moment.get_or_insert_with(Instant::now).elapsed() >= IDLE {
            return Ok(Archived { file: moment.wal_file.clone(), commit_after: false });
        }
        let after = match &needed {
            Some(file) => format!("the first commit after the moment is in {file} at the latest"),
            None => "nothing was committed since".to_owned(),
        };
        let failing = match look.failing {
            true => format!(", archiving fails, {} times so far, last of {}", look.failures, look.failed),
            false => String::new(),
        };
        let archived = if look.archived.is_empty() { "nothing" } else { &look.archived };
        patience.pause(format!("archived last: {archived}{failing}; {after}")).await?;
    }
}

struct Look {
    in_recovery: bool,
    next: i64,
    file: Option<String>,
    archived: String,
    failed: String,
    failures: i64,
    failing: bool,
    mode: String,
    nowhere: bool,
}

async fn look(client: &Client) -> Result<Look, DataError> {
    done_within("what the source has archived", ASK, async {
        let failed = query("see what is archived", FIRST);
        let row = client.query_one(LOOK, &[]).await.map_err(&failed)?;
        Ok(Look {
            in_recovery: row.try_get("in_recovery").map_err(&failed)?,
            next: row.try_get("next").map_err(&failed)?,
            file: row.try_get("file").map_err(&failed)?,
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

/// The WAL file that is written now, of a source that archives what it writes after the moment.
fn still_archives<'a>(look: &'a Look, moment: &QuietMoment) -> Result<&'a str, QuietError> {
    let Some(file) = look.file.as_deref().filter(|_| !look.in_recovery) else {
        return Err(QuietError::InRecovery);
    };
    let now = timeline(file)?;
    if now != moment.timeline {
        return Err(QuietError::OtherTimeline { then: moment.timeline, now });
    }
    if look.mode == "off" {
        return Err(QuietError::NotArchiving("its archive_mode is off".to_owned()));
    }
    if look.nowhere {
        return Err(QuietError::NotArchiving("its archive_command keeps nothing".to_owned()));
    }
    Ok(file)
}

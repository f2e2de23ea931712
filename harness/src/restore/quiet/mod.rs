//! A quiet moment of a cluster in use: a time to which a recovery gives exactly what a snapshot shows, found without
//! changing or stopping anything.
//!
//! Recovery to a time replays every transaction whose commit record has that time or an earlier one. A transaction
//! writes that record while it still counts as under way, maybe long before others see it (a commit that waits for a
//! replica). So a snapshot shows exactly what was committed up to a time only if no transaction with a number was
//! under way then: that none is listed is not enough, since one newer than all that have ended is not listed. What
//! decides is that the next number, seen in the snapshot, has not been given out afterwards; see [`attempt`].

mod archived;
mod attempt;
mod wal_file;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

pub use archived::{Archived, Awaiting, archived, awaited, default_archived_within};

use crate::observe::data::{
    self, Connect, DataError, DataObservation, EXCLUDED_DATABASES, HeldSnapshot, Options, Session,
};
use crate::poll::{Limit, Patience, TimedOut, done_within};
use attempt::{Attempt, Seat};

/// Where everything that all databases share is asked for.
const FIRST: &str = "postgres";
/// For a query that only asks the server something about itself.
const ASK: Duration = Duration::from_secs(60);

const PLACE: &str = "
SELECT lsn::text AS lsn, f.file_name AS file, f.file_offset AS offset,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size') AS segment_size,
       (SELECT system_identifier::text FROM pg_control_system()) AS system
FROM (SELECT pg_current_wal_insert_lsn() AS lsn OFFSET 0) now, pg_walfile_name_offset(lsn) f";

/// Fits after "failed to ".
#[derive(Debug, thiserror::Error)]
pub enum QuietError {
    /// The source could not be reached or asked.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What was last seen says how many transactions were under way, and the oldest of them.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The pod that was asked is a replica, or just lost the leader's role.
    #[error("find a quiet moment of the source: it is in recovery, so it is not the leader")]
    InRecovery,
    /// What of its settings or its archiver says that nothing is archived.
    #[error("have the source's WAL archived: {0}")]
    NotArchiving(String),
    /// Recovery to the moment would follow the older timeline, and what came since is on another.
    #[error(
        "have the source's WAL archived: it is on timeline {now} now and was on {then} at the quiet moment, so its leader has changed"
    )]
    OtherTimeline {
        /// That of the quiet moment.
        then: u32,
        /// That of the source as it was last seen.
        now: u32,
    },
}

/// What a recovery to [`QuietMoment::target`] gives is what [`Held::observe`] sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuietMoment {
    /// No transaction was under way from here …
    pub from: Timestamp,
    /// … until here. The server's clock, as all times here; microseconds.
    pub until: Timestamp,
    /// Between both: what recovery is to be given.
    pub target: Timestamp,
    /// All that was committed until `target` stands before this place in the WAL: `16/B374D848`.
    pub lsn: String,
    /// The last WAL file with something before that place.
    pub wal_file: String,
    /// The one that the source was on.
    pub timeline: u32,
    /// As text: JSON readers cannot hold 64 bits.
    pub system_identifier: String,
    /// The number that the next transaction gets, which commits after `target`.
    pub next_transaction: i64,
    /// Where sequences stood shortly before; nothing for one that was never called. They belong to no transaction, and
    /// recovery replays what was drawn from them until the first commit after `target`.
    pub sequences: BTreeMap<SequenceName, Option<i64>>,
}

impl QuietMoment {
    /// `target` as the operator and `recovery_target_time` take it: `2025-11-02T09:00:00.123456+00:00`. PostgreSQL, which
    /// reads that setting before it knows names of time zones, refuses a `Z`.
    pub fn recovery_target(&self) -> String {
        self.target.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
    }
}

/// A sequence of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SequenceName {
    /// Where the sequence is, not quoted.
    pub database: String,
    /// Qualified, and quoted where SQL needs it.
    pub name: String,
}

impl From<SequenceName> for String {
    /// A JSON object's key has to be a text.
    fn from(name: SequenceName) -> String {
        format!("{}: {}", name.database, name.name)
    }
}

impl TryFrom<String> for SequenceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (database, name) = text.split_once(": ").ok_or_else(|| format!("{text} names no sequence"))?;
        Ok(SequenceName { database: database.to_owned(), name: name.to_owned() })
    }
}

/// Transactions on the source that hold the moment's snapshots, one for each database. As long as they are held, vacuum keeps
/// what has died since, and no database can be dropped: observe soon, and drop it.
pub struct Held {
    connect: Connect,
    session: Session,
    snapshots: Vec<HeldSnapshot>,
}

impl Held {
    /// All data as of the moment, but for the rows of the tables in `except` (`database.schema.name`); keeps rows in the folder
    /// `spool` for a comparison.
    ///
    /// # Errors
    /// As [`data::observe_held`].
    pub async fn observe(
        self,
        spool: Option<&Path>,
        except: &[String],
    ) -> Result<DataObservation, DataError> {
        let options = Options { session: self.session, ..Options::default() };
        data::observe_held(&self.connect, &options, spool, self.snapshots, except).await
    }
}

/// Finds a moment in which no transaction of the source is under way. The source is only read, in sessions that the
/// server itself holds to that; `session` should be [`Session::ReadOnly`].
///
/// # Errors
/// [`QuietError::TimedOut`] where there was none within `limit`, with who was under way last; [`QuietError::InRecovery`]; and
/// when the source cannot be reached or asked.
pub async fn quiet_moment(
    source: &Connect,
    limit: Duration,
    session: Session,
) -> Result<(QuietMoment, Held), QuietError> {
    let looker = source.open_as(FIRST, &session).await?;
    if asked::<bool>(&looker, "SELECT pg_is_in_recovery()").await? {
        return Err(QuietError::InRecovery);
    }
    let limit = Limit {
        total: limit,
        first_interval: Duration::from_millis(1),
        longest_interval: Duration::from_millis(20),
    };
    let mut patience = Patience::new("a moment in which no transaction of the source is under way", limit);
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        let names = databases(&looker).await?;
        if !seats.iter().map(Seat::database).eq(names.iter().map(String::as_str)) {
            seats = try_join_all(names.iter().map(|name| Seat::open(source, &session, name))).await?;
        }
        let last = match attempt::attempt(&seats).await? {
            // One that was made meanwhile has no snapshot.
            Attempt::Quiet(_) if databases(&looker).await? != names => {
                "other databases than before".to_owned()
            }
            Attempt::Quiet(quiet) => {
                let snapshots = seats.into_iter().zip(quiet.snapshots);
                let snapshots = snapshots.map(|(seat, id)| seat.hold(id)).collect();
                let held = Held { connect: source.clone(), session, snapshots };
                let moment = placed(&looker, quiet.span, quiet.next_transaction, quiet.sequences).await?;
                return Ok((moment, held));
            }
            Attempt::Busy => attempt::under_way(&looker).await?,
        };
        patience.pause(last).await?;
    }
}

/// Where in the WAL a moment is that has just been.
async fn placed(
    looker: &Client,
    (from, until): (Timestamp, Timestamp),
    next_transaction: i64,
    sequences: BTreeMap<SequenceName, Option<i64>>,
) -> Result<QuietMoment, DataError> {
    let failed = query("read the place in the WAL", FIRST);
    let row = done_within("the place of the quiet moment in the WAL", ASK, async {
        looker.query_one(PLACE, &[]).await.map_err(&failed)
    })
    .await?;
    let file: String = row.try_get("file").map_err(&failed)?;
    let (offset, size) =
        (row.try_get("offset").map_err(&failed)?, row.try_get("segment_size").map_err(&failed)?);
    let middle = i64::midpoint(from.as_microsecond(), until.as_microsecond());
    Ok(QuietMoment {
        from,
        until,
        target: Timestamp::from_microsecond(middle).unwrap_or(from),
        lsn: row.try_get("lsn").map_err(&failed)?,
        timeline: wal_file::timeline(&file)?,
        wal_file: wal_file::with_all_before(&file, offset, size)?,
        system_identifier: row.try_get("system").map_err(&failed)?,
        next_transaction,
        sequences,
    })
}

/// Databases that let clients in, sorted.
async fn databases(looker: &Client) -> Result<Vec<String>, DataError> {
    let sql = format!(
        "SELECT coalesce(array_agg(datname::text ORDER BY datname COLLATE \"C\"), '{{}}') FROM pg_database \
         WHERE datallowconn AND datname NOT IN ({EXCLUDED_DATABASES})"
    );
    asked(looker, &sql).await
}

/// The only value of a query to the first database.
async fn asked<T>(looker: &Client, sql: &str) -> Result<T, DataError>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    done_within("an answer of the source", ASK, async {
        let row = looker.query_one(sql, &[]).await.map_err(query("ask the source", FIRST))?;
        row.try_get(0).map_err(query("ask the source", FIRST))
    })
    .await
}

fn query(what: &'static str, database: &str) -> impl Fn(tokio_postgres::Error) -> DataError {
    move |source| DataError::Query { what: what.to_owned(), database: database.to_owned(), source }
}

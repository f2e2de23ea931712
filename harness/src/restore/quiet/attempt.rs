//! One look whether a moment is quiet, in all databases at once.
//!
//! In each database one transaction takes its snapshot, reads the clock twice, and then asks after the number N that the snapshot
//! gives as the next one. Where the snapshot lists nothing under way, every transaction below N has ended; where the server then
//! says that N "is in the future", none from N on had begun. Both together: between the snapshot and that
//! answer no transaction with a number was under way. If the snapshots of all databases agree on N, all of them see
//! the same, and what is said holds from the first snapshot to the last answer.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::Timestamp;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::{ASK, FIRST, SequenceName, query};
use crate::observe::data::{BEGIN, Connect, DataError, HeldSnapshot, SAVEPOINT, Session};
use crate::poll::done_within;

/// The times are the server's own; the second is read after everything but the answer.
const SNAPSHOT: &str = r#"
SELECT pg_export_snapshot() AS id, txid_snapshot_xmax(s) AS next,
       (txid_snapshot_xmin(s) = txid_snapshot_xmax(s))::int AS all_ended,
       to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
FROM txid_current_snapshot() s"#;
const CLOCK: &str = r#"SELECT to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time"#;
/// The wanted answer is an error, which is nobody's business in the source's log.
const QUIET_LOG: &str = "SELECT set_config('log_min_messages', 'fatal', true) FROM pg_roles WHERE rolname = current_user AND rolsuper";
/// An error with this code says that the number is in the future.
const NEXT: &str = "SELECT txid_status(txid_snapshot_xmax(txid_current_snapshot()))";
const IN_THE_FUTURE: &str = "22023";
const GO_BACK: &str = "ROLLBACK TO SAVEPOINT reading";

const SEQUENCES: &str = "
SELECT format('%I.%I', n.nspname, c.relname), pg_sequence_last_value(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

const UNDER_WAY: &str = "
WITH open AS (
    SELECT xact_start AS since, concat_ws(' ', backend_type, pid, 'of', nullif(application_name, '')) AS who
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL
    UNION ALL
    SELECT prepared, format('prepared transaction %L', gid) FROM pg_prepared_xacts)
SELECT count(*), coalesce((SELECT format('the oldest for %s s: %s', extract(epoch FROM clock_timestamp() - since)::numeric(12, 1), who)
                           FROM open ORDER BY since LIMIT 1), '')
FROM open";

/// What was found.
pub(super) enum Attempt {
    Quiet(Quiet),
    /// Somebody was under way.
    Busy,
}

pub(super) struct Quiet {
    /// Of each seat.
    pub snapshots: Vec<String>,
    pub span: (Timestamp, Timestamp),
    pub next_transaction: i64,
    pub sequences: BTreeMap<SequenceName, Option<i64>>,
}

/// A session in one database, ready to look.
pub(super) struct Seat {
    database: String,
    client: Client,
}

impl Seat {
    pub(super) async fn open(source: &Connect, session: &Session, database: &str) -> Result<Self, DataError> {
        let client = source.open_as(database, session).await?;
        Ok(Seat { database: database.to_owned(), client })
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn hold(self, snapshot: String) -> HeldSnapshot {
        HeldSnapshot::of(self.database, snapshot, self.client)
    }

    async fn run(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, DataError> {
        self.client.simple_query(sql).await.map_err(query("look for a quiet moment", &self.database))
    }

    /// Outside of any transaction, or the sequences would stay locked until its end.
    async fn sequences(&self) -> Result<Vec<(SequenceName, Option<i64>)>, DataError> {
        let failed = query("read sequences", &self.database);
        let rows = self.client.query(SEQUENCES, &[]).await.map_err(&failed)?;
        let sequence = |row: tokio_postgres::Row| {
            let name = row.try_get(0).map_err(&failed)?;
            Ok((SequenceName { database: self.database.clone(), name }, row.try_get(1).map_err(&failed)?))
        };
        rows.into_iter().map(sequence).collect()
    }

    /// All that decides is sent in one go: the server has no pause in which somebody could write.
    async fn look(&self) -> Result<Look, DataError> {
        let begin = format!("{BEGIN}; {SNAPSHOT}; {SAVEPOINT}; {QUIET_LOG}; {CLOCK}");
        // Requests are sent, and answered, in the order in which they are first polled.
        let (before, next, after) = futures::join!(self.run(&begin), self.run(NEXT), self.run(GO_BACK));
        let rows: Vec<SimpleQueryRow> = before?.into_iter().filter_map(row).collect();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(self.not_understood("nothing"));
        };
        let next_is_free = match next {
            Ok(_) => false,
            Err(DataError::Query { source, .. })
                if source.code().is_some_and(|code| code.code() == IN_THE_FUTURE) =>
            {
                true
            }
            Err(error) => return Err(error),
        };
        after?;
        let next = self.field(first, "next")?;
        Ok(Look {
            snapshot: self.field(first, "id")?.to_owned(),
            next: next.parse().map_err(|_| self.not_understood(next))?,
            quiet: next_is_free && self.field(first, "all_ended")? == "1",
            from: self.time(first)?,
            until: self.time(last)?,
        })
    }

    fn field<'a>(&self, row: &'a SimpleQueryRow, name: &str) -> Result<&'a str, DataError> {
        row.try_get(name).ok().flatten().ok_or_else(|| self.not_understood(name))
    }

    fn time(&self, row: &SimpleQueryRow) -> Result<Timestamp, DataError> {
        let text = self.field(row, "time")?;
        text.parse().map_err(|_| self.not_understood(text))
    }

    fn not_understood(&self, value: &str) -> DataError {
        DataError::Answer {
            what: "look for a quiet moment".to_owned(),
            database: self.database.clone(),
            value: value.to_owned(),
        }
    }
}

struct Look {
    snapshot: String,
    next: i64,
    quiet: bool,
    from: Timestamp,
    until: Timestamp,
}

fn row(message: SimpleQueryMessage) -> Option<SimpleQueryRow> {
    match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }
}

/// Looks once. Where it was quiet, all seats are left in their transactions.
pub(super) async fn attempt(seats: &[Seat]) -> Result<Attempt, DataError> {
    done_within("one look for a quiet moment", ASK, async {
        let sequences = try_join_all(seats.iter().map(Seat::sequences)).await?;
        let looks = try_join_all(seats.iter().map(Seat::look)).await?;
        if let Some(quiet) = all_quiet(&looks) {
            let sequences = sequences.into_iter().flatten().collect();
            let snapshots = looks.into_iter().map(|look| look.snapshot).collect();
            let (next_transaction, span) = quiet;
            return Ok(Attempt::Quiet(Quiet { snapshots, span, next_transaction, sequences }));
        }
        try_join_all(seats.iter().map(|seat| seat.run("ROLLBACK"))).await?;
        Ok(Attempt::Busy)
    })
    .await
}

/// The next transaction's number and the span, where all looks saw the same quiet. A target needs a microsecond between both ends.
fn all_quiet(looks: &[Look]) -> Option<(i64, (Timestamp, Timestamp))> {
    let next = looks.first()?.next;
    let (from, until) =
        (looks.iter().map(|look| look.from).min()?, looks.iter().map(|look| look.until).max()?);
    let quiet = looks.iter().all(|look| look.quiet && look.next == next);
    (quiet && until.as_microsecond() - from.as_microsecond() >= 2).then_some((next, (from, until)))
}

/// Who is under way, for people. Not what they do: that is theirs.
pub(super) async fn under_way(looker: &Client) -> Result<String, DataError> {
    let row = done_within("who is under way", ASK, async {
        looker.query_one(UNDER_WAY, &[]).await.map_err(query("see who is under way", FIRST))
    })
    .await?;
    let failed = query("see who is under way", FIRST);
    let (count, oldest): (i64, String) = (row.try_get(0).map_err(&failed)?, row.try_get(1).map_err(&failed)?);
    Ok(match count {
        0 => "transactions that began and ended meanwhile".to_owned(),
        count => format!("{count} under way, {oldest}"),
    })
}

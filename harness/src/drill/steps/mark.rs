//! Step `mark`: names a moment, and makes sure that a clone can be recovered to it.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Client;

use crate::drill::error::DrillError;
use crate::drill::still::observe_still;
use crate::drill::world::{Mark, World};
use crate::environment::Environment;
use crate::observe::data;
use crate::poll::{Limit, Seen, done_within, poll};
use crate::scenario::MarkStep;

const NOW: &str =
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+00:00'";
const MOMENT: &str = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+00:00', \
                      pg_current_wal_insert_lsn()::text";
/// A transaction that changes nothing, with a commit record in the WAL.
const COMMIT: &str = "SET synchronous_commit = on; SELECT txid_current()";
const SWITCH: &str = "SELECT pg_walfile_name(pg_switch_wal())";
const ARCHIVED: &str = "SELECT coalesce(last_archived_wal, ''), coalesce(last_failed_wal, ''), failed_count, \
                        current_setting('archive_mode') FROM pg_stat_archiver";
/// Digits of the name of a WAL file; what follows tells of backups and timelines.
const WAL_NAME: usize = 24;
/// For a query that only asks the server something about itself.
const ASK: Duration = Duration::from_secs(60);

impl<E: Environment> World<'_, E> {
    pub(super) async fn mark(&mut self, step: &MarkStep) -> Result<String, DrillError> {
        let what = format!("mark {}", step.name);
        let connect = self.connect(&step.on)?;
        let taken = format!("{what} is taken");
        let moment = async |client: &Client| moment(client, &what).await;
        let observed = observe_still(&connect, &taken, self.evidence.folder(), 1, moment);
        let (data, Moment { commit_after, time, lsn }) = observed.await?;
        if let Some(damage) = data.damage().next() {
            return Err(DrillError::step(what, format!("the data are not whole: {damage}")));
        }
        let client = connect.open("postgres").await?;
        let file = done_within(format!("{what} to be written"), ASK, async {
            // Recovery stops at the first commit after its target time. Where the WAL ends before one, PostgreSQL
            // holds that the target was never reached, so there must be a commit after the mark.
            client.batch_execute(COMMIT).await.map_err(sql(&what))?;
            let row = client.query_one(SWITCH, &[]).await.map_err(sql(&what))?;
            Ok::<String, DrillError>(row.get(0))
        })
        .await?;
        archived(&client, &what, &file).await?;
        let note = format!("at {time}, {}", summary(&data));
        self.evidence.json(&format!("marks/{}.json", step.name), &data, &|text| self.hide(text))?;
        self.marks.insert(step.name.clone(), Mark { time, lsn, commit_after, data });
        Ok(note)
    }
}

/// The moment of a mark.
struct Moment {
    commit_after: Timestamp,
    time: String,
    lsn: String,
}

/// Makes the last commit before the moment, by which recovery to it can be recognised, and looks at the clock.
async fn moment(client: &Client, what: &str) -> Result<Moment, DrillError> {
    done_within(format!("the moment of {what}"), ASK, async {
        let before: String = client.query_one(NOW, &[]).await.map_err(sql(what))?.get(0);
        let commit_after =
            before.parse().map_err(|_| DrillError::step(what, format!("no time: {before}")))?;
        client.batch_execute(COMMIT).await.map_err(sql(what))?;
        let row = client.query_one(MOMENT, &[]).await.map_err(sql(what))?;
        Ok(Moment { commit_after, time: row.get(0), lsn: row.get(1) })
    })
    .await
}

/// How much data that is.
pub(in crate::drill) fn summary(data: &data::DataObservation) -> String {
    let tables = || data.databases.iter().flat_map(|database| &database.tables);
    format!("{} databases, {} tables, {} rows", data.databases.len(), tables().count(), data.rows())
}

/// Waits until this WAL file is archived. A cluster without archiving has nothing to wait for.
async fn archived(client: &Client, what: &str, file: &str) -> Result<(), DrillError> {
    let found = poll(format!("WAL file {file} to be archived ({what})"), Limit::seconds(60), async || {
        let row = client.query_one(ARCHIVED, &[]).await.map_err(sql(what))?;
        let (last, failed, failures): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        let mode: String = row.get(3);
        if mode == "off" || last.get(..WAL_NAME).is_some_and(|last| last >= file) {
            return Ok(Seen::Done(()));
        }
        let last = if last.is_empty() { "nothing" } else { &last };
        let failed = if failures > 0 {
            format!(", {failures} failures, the last with {failed}")
        } else {
            String::new()
        };
        Ok::<_, DrillError>(Seen::NotYet(format!("archived up to now: {last}{failed}")))
    });
    found.await.map_err(DrillError::from)
}

fn sql(what: &str) -> impl Fn(tokio_postgres::Error) -> DrillError {
    move |source| DrillError::Sql { what: what.to_owned(), source }
}

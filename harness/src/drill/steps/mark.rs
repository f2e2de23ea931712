//! Step `mark`: names a moment, and makes sure that a clone can be recovered to it.

use tokio_postgres::Client;

use crate::drill::error::DrillError;
use crate::drill::world::{Mark, World};
use crate::environment::Environment;
use crate::observe::data::{self, Options};
use crate::poll::{Limit, Seen, poll};
use crate::scenario::MarkStep;

const OTHERS: &str = "SELECT count(*), coalesce(min(query), '') FROM pg_stat_activity WHERE backend_type = 'client backend' \
                      AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL";
const MOMENT: &str = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+00:00', \
                      pg_current_wal_insert_lsn()::text";
const SWITCH: &str = "SELECT pg_walfile_name(pg_switch_wal())";
const ARCHIVED: &str = "SELECT coalesce(last_archived_wal, ''), coalesce(last_failed_wal, ''), failed_count, \
                        current_setting('archive_mode') FROM pg_stat_archiver";
/// Digits of the name of a WAL file; what follows tells of backups and timelines.
const WAL_NAME: usize = 24;

impl<E: Environment> World<'_, E> {
    pub(super) async fn mark(&mut self, step: &MarkStep) -> Result<String, DrillError> {
        let what = format!("mark {}", step.name);
        let connect = self.connect(&step.on)?;
        let client = connect.open("postgres").await?;
        quiet(&client, &what).await?;
        let spool = self.scratch.join("marks").join(&step.name);
        let data = data::observe(&connect, &Options::default(), Some(&spool)).await?;
        quiet(&client, &what).await?;
        let (time, lsn): (String, String) = {
            let row = client.query_one(MOMENT, &[]).await.map_err(sql(&what))?;
            (row.get(0), row.get(1))
        };
        // Recovery stops at the first commit after its target time. Where the WAL ends before one, PostgreSQL holds
        // that the target was never reached, so there must be a commit after the mark: this one changes nothing.
        client
            .batch_execute("SET synchronous_commit = on; SELECT txid_current()")
            .await
            .map_err(sql(&what))?;
        let file: String = client.query_one(SWITCH, &[]).await.map_err(sql(&what))?.get(0);
        archived(&client, &what, &file).await?;
        let note = format!("at {time}, {}", summary(&data));
        self.evidence.json(&format!("marks/{}.json", step.name), &data, &|text| self.hide(text))?;
        self.marks.insert(step.name.clone(), Mark { time, lsn, data });
        Ok(note)
    }
}

/// How much data that is.
pub(in crate::drill) fn summary(data: &data::DataObservation) -> String {
    let tables = || data.databases.iter().flat_map(|database| &database.tables);
    format!("{} databases, {} tables, {} rows", data.databases.len(), tables().count(), data.rows())
}

/// Waits until nobody else is at writing: the digest and the time are of one moment only then.
async fn quiet(client: &Client, what: &str) -> Result<(), DrillError> {
    let found = poll(format!("other writers to end before {what}"), Limit::seconds(30), async || {
        let row = client.query_one(OTHERS, &[]).await.map_err(sql(what))?;
        let count: i64 = row.get(0);
        Ok::<_, DrillError>(match count {
            0 => Seen::Done(()),
            count => {
                Seen::NotYet(format!("{count} transactions write, one of them: {}", row.get::<_, String>(1)))
            }
        })
    });
    found.await.map_err(DrillError::from)
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
        Ok::<_, DrillError>(Seen::NotYet(format!(
            "archived {last:?}, {failures} failures, last of {failed:?}"
        )))
    });
    found.await.map_err(DrillError::from)
}

fn sql(what: &str) -> impl Fn(tokio_postgres::Error) -> DrillError {
    move |source| DrillError::Sql { what: what.to_owned(), source }
}

//! Data observed while nobody writes: only then are all databases of one moment, and that one is known.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::Client;

use super::error::DrillError;
use crate::observe::data::{Connect, DataObservation, Options, observe};
use crate::poll::{Limit, Patience, done_within};

/// For other writers to end, and for an observation that met one to be made anew.
const STILL: Limit = Limit {
    total: Duration::from_secs(180),
    first_interval: Duration::from_millis(20),
    longest_interval: Duration::from_millis(250),
};
/// For one look at who writes.
const LOOK: Duration = Duration::from_secs(30);

/// The next transaction number, and those below it that are open. One that is open and newer than all that have ended
/// is not listed; nothing of it is seen either. A prepared transaction is open and writes nothing any more.
const SNAPSHOT: &str = "
SELECT txid_snapshot_xmax(s) AS next,
       (SELECT coalesce(string_agg(xip::text, ' ' ORDER BY xip), '') FROM txid_snapshot_xip(s) xip) AS prepared,
       (SELECT count(*) FROM txid_snapshot_xip(s) xip
        WHERE NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE transaction::text::bigint = xip % 4294967296)) AS writing
FROM txid_current_snapshot() s";
const WRITERS: &str = "
SELECT coalesce(string_agg(concat_ws(' ', backend_type, pid, 'of', nullif(application_name, '')), ', '), 'nobody any more')
FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_xid IS NOT NULL";

/// Everything that has a transaction number, or had one when it was looked at.
#[derive(PartialEq, Eq)]
struct Transactions {
    next: i64,
    /// Prepared ones; as text, since they are only held against each other.
    prepared: String,
}

/// Observes a cluster's data and does `then`, which itself makes `own` transactions, until nobody else has made one
/// meanwhile.
///
/// # Errors
/// Who writes, where somebody does all the time; whatever either of both met.
pub(super) async fn observe_still<T>(
    connect: &Connect,
    what: &str,
    folder: &Path,
    own: i64,
    mut then: impl AsyncFnMut(&Client) -> Result<T, DrillError>,
) -> Result<(DataObservation, T), DrillError> {
    let client = connect.open("postgres").await?;
    let mut patience = Patience::new(format!("nobody to write while {what}"), STILL);
    loop {
        let last = match transactions(&client, what).await? {
            Err(writers) => writers,
            Ok(before) => {
                let data = observe(connect, &Options::default(), Some(folder)).await?;
                let value = then(&client).await?;
                match transactions(&client, what).await? {
                    Ok(after) if after == (Transactions { next: before.next + own, ..before }) => {
                        return Ok((data, value));
                    }
                    Ok(_) => "transactions that began and ended meanwhile".to_owned(),
                    Err(writers) => writers,
                }
            }
        };
        patience.pause(last).await?;
    }
}

/// The transactions so far, or who has one open.
async fn transactions(client: &Client, what: &str) -> Result<Result<Transactions, String>, DrillError> {
    let failed = |source| DrillError::Sql { what: format!("see who writes while {what}"), source };
    let work = async {
        let row = client.query_one(SNAPSHOT, &[]).await.map_err(failed)?;
        if row.get::<_, i64>("writing") == 0 {
            return Ok(Ok(Transactions { next: row.get("next"), prepared: row.get("prepared") }));
        }
        let writers: String = client.query_one(WRITERS, &[]).await.map_err(failed)?.get(0);
        Ok::<_, DrillError>(Err(format!("writing: {writers}")))
    };
    done_within(format!("a look at who writes while {what}"), LOOK, work).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::data::scratch::{Origin, ScratchPostgres};
    use crate::toolchain::newest_postgres;

    async fn server() -> ScratchPostgres {
        let tool = newest_postgres();
        let settings = [("max_prepared_transactions", "1"), ("autovacuum", "off")];
        let server =
            ScratchPostgres::start(&tool, &std::env::temp_dir(), Origin::Initdb, &settings).await.unwrap();
        run(&server, "CREATE TABLE public.t (a int)").await;
        server
    }

    async fn run(server: &ScratchPostgres, sql: &str) {
        server.connect().open("postgres").await.unwrap().batch_execute(sql).await.unwrap();
    }

    const INSERT: &str = "INSERT INTO public.t VALUES (1)";

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_written_meanwhile_is_observed_too() {
        let server = server().await;
        // A prepared transaction is open for as long as it likes, and does not write.
        run(&server, &format!("BEGIN; {INSERT}; PREPARE TRANSACTION 'open'")).await;
        let (mut looks, connect, folder) = (0, server.connect(), std::env::temp_dir());
        let observed = observe_still(&connect, "t is tested", &folder, 1, async |client| {
            looks += 1;
            if looks == 1 {
                run(&server, INSERT).await;
            }
            client.batch_execute("SELECT txid_current()").await.unwrap();
            Ok(looks)
        });
        let (data, looks) = observed.await.unwrap();
        assert_eq!((data.rows(), looks), (1, 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_open_before_is_observed_once_it_has_ended() {
        let server = server().await;
        let (mut looks, connect, folder) = (0, server.connect(), std::env::temp_dir());
        let writer = connect.open("postgres").await.unwrap();
        writer.batch_execute(&format!("SET application_name = 'a job'; BEGIN; {INSERT}")).await.unwrap();
        let observed = observe_still(&connect, "t is tested", &folder, 0, async |_| {
            looks += 1;
            writer.batch_execute("COMMIT").await.unwrap();
            Ok(looks)
        });
        let (data, looks) = observed.await.unwrap();
        assert_eq!((data.rows(), looks), (1, 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_writes_is_said_and_not_what() {
        let server = server().await;
        let writer = server.connect().open("postgres").await.unwrap();
        writer.batch_execute(&format!("SET application_name = 'a job'; BEGIN; {INSERT}")).await.unwrap();
        // One that is newer has ended.
        run(&server, "SELECT txid_current()").await;
        let client = server.connect().open("postgres").await.unwrap();
        let Err(said) = transactions(&client, "t is tested").await.unwrap() else {
            panic!("nobody was seen to write")
        };
        assert!(said.starts_with("writing: client backend ") && said.ends_with(" of a job"), "{said}");
    }
}

//! Data observed while nobody writes: only then are all databases of one moment, and that one is known.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::Client;

use super::error::DrillError;
use crate::observe::data::{Connect, DataObservation, Options, observe};
use crate::poll::{Limit, Patience, within};

/// For other writers to end, and for an observation that met one to be made anew.
const STILL: Limit = Limit {
    total: Duration::from_secs(180),
    first_interval: Duration::from_millis(20),
    longest_interval: Duration::from_millis(250),
};
/// For one look at who writes.
const LOOK: Duration = Duration::from_secs(30);

/// The next transaction number, and those that are open. A prepared transaction is open and writes nothing any more.
const SNAPSHOT: &str = "
SELECT txid_snapshot_xmax(s) AS next, coalesce(string_agg(xip::text, ' ' ORDER BY xip), '') AS prepared,
       count(xip) FILTER (WHERE NOT EXISTS (SELECT FROM pg_prepared_xacts
                                            WHERE transaction::text::bigint = xip % 4294967296)) AS writing
FROM txid_current_snapshot() s LEFT JOIN LATERAL txid_snapshot_xip(s) xip ON true GROUP BY s::text, s";
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
pub async fn observe_still<T>(
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
    within(format!("a look at who writes while {what}"), LOOK, work).await
}

//! Which cluster this is, and where in its history.

use jiff::Timestamp;
use tokio_postgres::Client;

use super::DataError;
use super::observation::Identity;

const IDENTITY: &str = r#"
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       pg_is_in_recovery() AS in_recovery,
       CASE WHEN pg_is_in_recovery()
            -- The control file lags behind a promotion until the next checkpoint; a server in recovery has no other.
            THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
       END AS timeline,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn,
       to_char(pg_last_xact_replay_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_replayed,
       current_setting('track_commit_timestamp') = 'on' AS keeps_commit_times,
       current_setting('server_version') AS server_version,
       to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
"#;

const LAST_COMMIT: &str =
    r#"SELECT to_char("timestamp", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM pg_last_committed_xact()"#;

pub(super) async fn identity(client: &Client, database: &str) -> Result<Identity, DataError> {
    let failed = |source| DataError::Query {
        what: "read the identity".to_owned(),
        database: database.to_owned(),
        source,
    };
    let row = client.query_one(IDENTITY, &[]).await.map_err(failed)?;
    let last_commit = match row.try_get("keeps_commit_times").map_err(failed)? {
        true => {
            let row = client.query_one(LAST_COMMIT, &[]).await.map_err(failed)?;
            time(row.try_get(0).map_err(failed)?, database)?
        }
        false => None,
    };
    let timeline: i32 = row.try_get("timeline").map_err(failed)?;
    let now: String = row.try_get("time").map_err(failed)?;
    Ok(Identity {
        system_identifier: row.try_get("system_identifier").map_err(failed)?,
        timeline: timeline.cast_unsigned(),
        in_recovery: row.try_get("in_recovery").map_err(failed)?,
        lsn: row.try_get::<_, Option<String>>("lsn").map_err(failed)?.unwrap_or_default(),
        last_commit,
        last_replayed: time(row.try_get("last_replayed").map_err(failed)?, database)?,
        server_version: row.try_get("server_version").map_err(failed)?,
        time: parse(&now, database)?,
    })
}

fn time(text: Option<String>, database: &str) -> Result<Option<Timestamp>, DataError> {
    text.map(|text| parse(&text, database)).transpose()
}

fn parse(text: &str, database: &str) -> Result<Timestamp, DataError> {
    text.parse().map_err(|_| DataError::Answer {
        what: "read a time".to_owned(),
        database: database.to_owned(),
        value: text.to_owned(),
    })
}

//! A snapshot of one database that a transaction holds, for any number of readers.

use tokio_postgres::Client;

use super::read::SAVEPOINT;
use super::{Connect, DataError, Session};

/// The transaction sees one moment, that of its first query, and changes nothing.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// An open transaction with a savepoint, whose snapshot others may join. It ends when it is dropped.
pub struct HeldSnapshot {
    database: String,
    id: String,
    client: Client,
}

impl HeldSnapshot {
    /// Of this moment.
    pub(super) async fn take(
        connect: &Connect,
        session: &Session,
        database: &str,
    ) -> Result<Self, DataError> {
        let failed = |source| failed(database, source);
        let client = connect.open_as(database, session).await?;
        client.batch_execute(BEGIN).await.map_err(failed)?;
        let row = client.query_one("SELECT pg_export_snapshot()", &[]).await.map_err(failed)?;
        let id = row.try_get(0).map_err(failed)?;
        client.batch_execute(SAVEPOINT).await.map_err(failed)?;
        Ok(HeldSnapshot { database: database.to_owned(), id, client })
    }

    /// Of a transaction that has begun with [`BEGIN`], has exported its snapshot as `id` and then made [`SAVEPOINT`].
    pub(crate) fn of(database: String, id: String, client: Client) -> Self {
        HeldSnapshot { database, id, client }
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// So many connections that all see this moment; the first is the holder's.
    pub(super) async fn readers(
        self,
        connect: &Connect,
        session: &Session,
        connections: usize,
    ) -> Result<Vec<Client>, DataError> {
        let HeldSnapshot { database, id, client } = self;
        let mut clients = vec![client];
        for _ in 1..connections {
            let client = connect.open_as(&database, session).await?;
            let join = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{id}'; {SAVEPOINT}");
            client.batch_execute(&join).await.map_err(|source| failed(&database, source))?;
            clients.push(client);
        }
        Ok(clients)
    }
}

fn failed(database: &str, source: tokio_postgres::Error) -> DataError {
    DataError::Query { what: "share a snapshot".to_owned(), database: database.to_owned(), source }
}

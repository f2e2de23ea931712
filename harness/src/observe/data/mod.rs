//! The data observation: exact, order-independent digests of everything in a cluster.
//!
//! [`observe`] reads all of a cluster, each database as of one moment. With a spool it also keeps rows, so that
//! [`compare`] can show which rows differ, also long after the source has moved on.

mod compare;
mod connect;
mod database;
mod difference;
mod digest;
mod error;
mod excluded;
mod identity;
mod observation;
mod read;
mod roles;
mod rows;
mod schema;
pub mod scratch;
mod spool;
mod text;

use std::path::Path;

pub use compare::compare;
pub use connect::Connect;
pub use difference::{ColumnDifference, Comparison, Difference, RowDifference};
pub use digest::MultisetDigest;
pub use error::DataError;
pub use observation::{
    DataObservation, Database, Extension, Identity, Kept, LargeObjects, Role, SchemaObject, Sequence, Table,
    TableKind, TableRows,
};
pub use spool::{BUCKETS, KeepAtMost};

/// The database that is always there; also where the identity is read.
const FIRST: &str = "postgres";

/// How a cluster is observed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections that read at the same time, for one database.
    pub connections: usize,
    /// How much of each table is kept, where there is a spool.
    pub keep_at_most: KeepAtMost,
}

impl Default for Options {
    fn default() -> Self {
        Options { connections: 2, keep_at_most: KeepAtMost::default() }
    }
}

/// Observes all data of a cluster. Memory stays bounded, but for the biggest single row.
///
/// Each database is seen as of one moment; databases one after the other. With `spool`, an empty or new folder,
/// rows are kept there for [`compare`].
///
/// # Errors
/// When the cluster cannot be reached or refuses a query, or rows cannot be kept. Nothing is left out in silence.
pub async fn observe(
    connect: &Connect,
    options: &Options,
    spool: Option<&Path>,
) -> Result<DataObservation, DataError> {
    if let Some(folder) = spool {
        std::fs::create_dir_all(folder)
            .map_err(|source| DataError::Spool { path: folder.to_owned(), source })?;
    }
    let client = connect.open(FIRST).await?;
    let identity = identity::identity(&client, FIRST).await?;
    let roles = roles::roles(&client, FIRST).await?;
    let mut databases = Vec::new();
    for (index, listed) in roles::databases(&client, FIRST).await?.into_iter().enumerate() {
        let spool = spool.map(|folder| database::Spool { folder, prefix: index.to_string() });
        databases.push(database::database(connect, options, listed, spool).await?);
    }
    Ok(DataObservation { identity, roles, databases, spool: spool.map(Path::to_owned) })
}

/// Which cluster this is and where in its history, without reading its data.
///
/// # Errors
/// When the cluster cannot be reached or refuses a query.
pub async fn identify(connect: &Connect) -> Result<Identity, DataError> {
    identity::identity(&connect.open(FIRST).await?, FIRST).await
}

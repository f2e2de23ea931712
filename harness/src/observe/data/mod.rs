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
mod globals;
mod identity;
mod observation;
mod read;
mod roles;
mod rows;
mod schema;
pub mod scratch;
mod spool;
mod text;
mod value;

use std::path::Path;
use std::time::Duration;

pub use compare::compare;
pub use connect::Connect;
pub use difference::{ColumnDifference, Comparison, Difference, DifferenceKind, RowDifference};
pub use digest::MultisetDigest;
pub use error::DataError;
pub use observation::{
    DataObservation, Database, Extension, Identity, LargeObjects, Role, SchemaObject, Sequence, Table,
    TableKind, TableRows,
};
pub use spool::{KeepAtMost, KeptRows};

use crate::poll::done_within;
use spool::Spool;

/// The database that is always there; also where the identity is read.
const FIRST: &str = "postgres";
/// Catalogs are small: a server that takes longer for them does not answer.
const CATALOG: Duration = Duration::from_secs(120);

/// How a cluster is observed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections that read at the same time, for one database.
    pub connections: usize,
    /// How much of all tables is kept, where there is a spool.
    pub keep_at_most: KeepAtMost,
    /// How long a server may take for the next row.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { connections: 2, keep_at_most: KeepAtMost::default(), idle: Duration::from_secs(120) }
    }
}

/// Observes all data of a cluster. Memory stays bounded, but for the biggest single row.
///
/// Each database is seen as of one moment; databases one after the other. With `spool`, a folder on a disk, rows are kept
/// there for [`compare`], in a file without a name that goes with the observation. What the server cannot read although it
/// works is a part of the observation.
///
/// # Errors
/// When the cluster cannot be reached, refuses a query or does not answer, or rows cannot be kept. Nothing is left out in
/// silence.
pub async fn observe(
    connect: &Connect,
    options: &Options,
    spool: Option<&Path>,
) -> Result<DataObservation, DataError> {
    let spool = spool.map(|folder| Spool::in_folder(folder, options.keep_at_most)).transpose()?;
    let client = connect.open(FIRST).await?;
    let (identity, roles, globals, listed) = done_within("the roles and databases", CATALOG, async {
        let identity = identity::identity(&client, FIRST).await?;
        let roles = roles::roles(&client, FIRST).await?;
        let globals = globals::globals(&client, FIRST).await?;
        Ok::<_, DataError>((identity, roles, globals, roles::databases(&client, FIRST).await?))
    })
    .await?;
    let mut databases = Vec::new();
    for listed in listed {
        databases.push(database::database(connect, options, listed, spool.as_ref()).await?);
    }
    Ok(DataObservation { identity, roles, globals, databases })
}

/// Which cluster this is and where in its history, without reading its data.
///
/// # Errors
/// When the cluster cannot be reached or refuses a query.
pub async fn identify(connect: &Connect) -> Result<Identity, DataError> {
    let client = connect.open(FIRST).await?;
    done_within("the cluster's identity", CATALOG, identity::identity(&client, FIRST)).await
}

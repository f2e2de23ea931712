//! The data observation: exact, order-independent digests of everything in a cluster.
//!
//! [`observe`] reads all of a cluster, each database as of one moment. With a spool it also keeps rows, so that
//! [`compare`] can show which rows differ, also long after the source has moved on.

mod bytes;
#[cfg(test)]
mod catalogs;
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
mod options;
mod read;
mod roles;
mod rows;
mod schema;
pub mod scratch;
mod snapshot;
mod spilo;
mod spool;
mod text;
mod value;

use std::path::Path;
use std::time::Duration;

pub use compare::compare;
pub use connect::{Connect, Session};
pub use difference::{ColumnDifference, Comparison, Difference, DifferenceKind, RowDifference};
pub use digest::MultisetDigest;
pub use error::DataError;
pub(crate) use error::{detail, is_unanswered};
pub(crate) use excluded::DATABASES as EXCLUDED_DATABASES;
pub use observation::{
    DataObservation, Database, Extension, Identity, LargeObjects, Role, SchemaObject, Sequence, Table,
    TableKind, TableRows,
};
pub(crate) use read::SAVEPOINT;
pub(crate) use snapshot::BEGIN;
pub use snapshot::HeldSnapshot;
pub use spool::{KeepAtMost, KeptRows};

use tokio_postgres::Client;

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
    /// What each session sets before it reads.
    pub session: Session,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connections: 2,
            keep_at_most: KeepAtMost::default(),
            idle: Duration::from_secs(120),
            session: Session::default(),
        }
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
    let client = connect.open_as(FIRST, &options.session).await?;
    let (listed, mut seen) = shared(&client, connect).await?;
    for listed in listed {
        seen.databases.push(database::database(connect, options, listed, None, (spool.as_ref(), &[])).await?);
    }
    Ok(seen)
}

/// As [`observe`], of a cluster that others write to: all of it as of the moment of these snapshots, one for each database that
/// lets clients in. Only sequences are never of a moment; they are seen as they are when they are read. Rows of the tables in
/// `except` (`database.schema.name`) are not read.
///
/// # Errors
/// As [`observe`]; and when there is no snapshot of a database, or a table was rewritten since.
pub async fn observe_held(
    connect: &Connect,
    options: &Options,
    spool: Option<&Path>,
    mut held: Vec<HeldSnapshot>,
    except: &[String],
) -> Result<DataObservation, DataError> {
    let spool = spool.map(|folder| Spool::in_folder(folder, options.keep_at_most)).transpose()?;
    let no_snapshot = |database: &str| DataError::NotHeld { database: database.to_owned() };
    let first = held.iter().find(|held| held.database() == FIRST).ok_or_else(|| no_snapshot(FIRST))?;
    let (listed, mut seen) = shared(first.client(), connect).await?;
    read::go_back(first.client(), FIRST).await?;
    for listed in listed {
        let place = held.iter().position(|held| held.database() == listed.name);
        let snapshot = match place {
            Some(place) => Some(held.swap_remove(place)),
            None if listed.connectable => return Err(no_snapshot(&listed.name)),
            None => None,
        };
        seen.databases
            .push(database::database(connect, options, listed, snapshot, (spool.as_ref(), except)).await?);
    }
    Ok(seen)
}

/// Lets clients into each database of a cluster of one's own that lets nobody in, and names them: what nobody can connect to
/// cannot be read.
///
/// # Errors
/// When the cluster cannot be reached or refuses.
pub async fn open_closed(connect: &Connect) -> Result<Vec<String>, DataError> {
    let client = connect.open(FIRST).await?;
    done_within("the databases that let nobody in", CATALOG, roles::open_closed(&client, FIRST)).await
}

/// What all databases share, and which there are.
async fn shared(
    client: &Client,
    connect: &Connect,
) -> Result<(Vec<roles::Listed>, DataObservation), DataError> {
    done_within("the roles and databases", CATALOG, async {
        let identity = identity::identity(client, FIRST).await?;
        let roles = roles::roles(client, FIRST).await?;
        let globals = globals::globals(client, FIRST).await?;
        let listed = roles::databases(client, FIRST).await?;
        Ok((
            listed,
            DataObservation { identity, roles, globals, image: connect.image.clone(), databases: Vec::new() },
        ))
    })
    .await
}

/// Which cluster this is and where in its history, without reading its data.
///
/// # Errors
/// When the cluster cannot be reached or refuses a query.
pub async fn identify(connect: &Connect) -> Result<Identity, DataError> {
    let client = connect.open(FIRST).await?;
    done_within("the cluster's identity", CATALOG, identity::identity(&client, FIRST)).await
}

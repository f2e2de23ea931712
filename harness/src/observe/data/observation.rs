//! What an observation of a cluster's data holds.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::MultisetDigest;
use super::spool::KeptRows;

/// Everything in a cluster that a backup should bring back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DataObservation {
    /// Which cluster it is; not part of any comparison.
    pub identity: Identity,
    /// Sorted by name.
    pub roles: Vec<Role>,
    /// Sorted by name.
    pub databases: Vec<Database>,
    /// Shared by all databases and no role: settings, tablespaces, comments, prepared transactions.
    pub globals: Vec<SchemaObject>,
    /// The image of Spilo that the server ran in, as its node names it; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl DataObservation {
    /// Rows of all tables together.
    pub fn rows(&self) -> u64 {
        let tables = self.databases.iter().flat_map(|database| &database.tables);
        tables.filter_map(|table| table.rows.as_ref()).map(|rows| rows.count).sum()
    }

    /// Everything that the server could not read, with its reason, one line each.
    pub fn damage(&self) -> impl Iterator<Item = String> {
        self.databases.iter().flat_map(|database| {
            let tables = database.tables.iter().filter_map(|table| {
                let why = table.damage.as_ref()?;
                Some(format!("{}.{}: cannot be read: {why}", database.name, table.name))
            });
            let others = database.damage.iter().map(|why| format!("{}: {why}", database.name));
            others.chain(tables).collect::<Vec<_>>()
        })
    }
}

/// Which cluster this is, and where in its history. Never compared by [`super::compare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Made by initdb; kept by every physical copy. As text: JSON readers cannot hold 64 bits.
    pub system_identifier: String,
    /// Counts up with each promotion, from 1.
    pub timeline: u32,
    /// True of a replica, and of a clone that has not been promoted yet.
    pub in_recovery: bool,
    /// Write position, or replay position of a server in recovery: `16/B374D848`.
    pub lsn: String,
    /// Only where the server keeps commit times (`track_commit_timestamp`).
    pub last_commit: Option<Timestamp>,
    /// Commit time of the last transaction that recovery replayed; none on a server that never recovered.
    pub last_replayed: Option<Timestamp>,
    /// As the server says it: `15.13 (Debian 15.13-0+deb12u1)`.
    pub server_version: String,
    /// The server's clock when it was looked at.
    pub time: Timestamp,
}

/// A role without its password: that is never read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// As in `pg_roles`, not quoted.
    pub name: String,
    /// `login`, `superuser`, … as in CREATE ROLE, and the digest of each of its settings.
    pub attributes: Vec<String>,
    /// Roles that it is a member of, with `with admin option` where it has that.
    pub member_of: Vec<String>,
}

/// What was seen of one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Database {
    /// As in `pg_database`, not quoted.
    pub name: String,
    /// Owner, encoding, locale, access, settings; for comparison.
    pub definition: String,
    /// False where the database lets nobody in: nothing below is known then.
    pub connectable: bool,
    /// It let nobody in, until [`super::open_closed`] opened it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opened: bool,
    /// Sorted by name.
    pub extensions: Vec<Extension>,
    /// Sorted by kind and name. Not the members of extensions: the extension's version stands for them.
    pub schema: Vec<SchemaObject>,
    /// Digest of all of `schema`.
    pub schema_digest: MultisetDigest,
    /// Sorted by name.
    pub sequences: Vec<Sequence>,
    /// All in one: how many, who owns them, what they hold.
    pub large_objects: LargeObjects,
    /// Sorted by name.
    pub tables: Vec<Table>,
    /// What of it the server could not read and why, but for tables: those say so themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
}

/// An extension of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// As in `pg_extension`, not quoted.
    pub name: String,
    /// Where its objects are; quoted where SQL needs it.
    pub schema: String,
    /// The installed one, which need not be the newest that there is.
    pub version: String,
    /// The role that owns it, quoted where SQL needs it.
    pub owner: String,
}

/// One definition: a column, an index, a function, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaObject {
    /// `column`, `index`, `function`, …
    pub kind: String,
    /// Qualified, and quoted where SQL needs it.
    pub name: String,
    /// As SQL would write it; for comparison.
    pub definition: String,
}

/// A sequence, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Qualified, and quoted where SQL needs it.
    pub name: String,
    /// As `SELECT last_value` of the sequence gives it.
    pub last_value: i64,
    /// False until the first `nextval`: the next one then gives `last_value` itself.
    pub is_called: bool,
    /// How many values ahead of `last_value` the WAL already has: recovery jumps there.
    pub log_count: i64,
    /// What each `nextval` adds; may be negative.
    pub increment: i64,
    /// Where it begins.
    pub start: i64,
    /// Recovery sets it back to where it begins.
    pub unlogged: bool,
}

/// The large objects of a database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LargeObjects {
    /// How many there are.
    pub count: u64,
    /// Over owners and access rights.
    pub owners: MultisetDigest,
    /// Over the pages of their data.
    pub data: TableRows,
}

/// Something with rows of its own: a table, a partition, a materialised view.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// Qualified, and quoted where SQL needs it.
    pub name: String,
    /// What kind of relation holds the rows.
    pub kind: TableKind,
    /// In the order in which rows are written.
    pub columns: Vec<String>,
    /// Columns of the primary key, else of a unique key without NULLs, else none.
    pub key: Vec<String>,
    /// None where rows are not the cluster's own (foreign tables) or do not exist (a view never filled).
    pub rows: Option<TableRows>,
    /// Why the server could not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Somebody asked for its rows not to be looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
}

/// What holds rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// An ordinary one, or a partition.
    Table,
    /// Recovery empties it: no backup brings its rows back.
    Unlogged,
    /// Its rows are compared like a table's: recovery brings them back as they were.
    MaterialisedView,
    /// Its rows lie on another server, and are not read.
    Foreign,
}

/// The rows of a table: how many, their digest, and the rows themselves where they are kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TableRows {
    /// How many were read.
    pub count: u64,
    /// Over all rows, whatever their order.
    pub digest: MultisetDigest,
    /// None where nobody gave a folder to keep them in.
    #[serde(skip)]
    pub kept: Option<Arc<KeptRows>>,
}

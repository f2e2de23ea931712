//! What can go wrong while a cluster's data are observed or compared.

use std::error::Error as _;
use std::path::PathBuf;

use crate::poll::TimedOut;

/// Classes of SQLSTATE with which a server that works says that data do not: they cannot be read as what they should be, there
/// is no such database, a file is missing, a page is invalid.
const DAMAGE: [&str; 4] = ["22", "3D", "58", "XX"];

/// A text that has no like in another encoding, or is none in its own.
const ENCODING: [&str; 2] = ["22021", "22P05"];

/// Fits after "failed to ".
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No session with a database could be had.
    #[error("connect to {host}:{port}, database {database}: {}", detail(source))]
    Connect {
        /// As [`super::Connect`] has it.
        host: String,
        /// The port that was tried.
        port: u16,
        /// The database of the session.
        database: String,
        /// What the driver says.
        source: tokio_postgres::Error,
    },
    /// The server refused a query, or went away during it.
    #[error("{what} in database {database}: {}", detail(source))]
    Query {
        /// What it was for, such as `list tables`.
        what: String,
        /// Where it ran.
        database: String,
        /// What the driver says.
        source: tokio_postgres::Error,
    },
    /// No TLS client can be made; the machine is at fault, not the server.
    #[error("set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A value is none that this program knows: its server is newer, or not PostgreSQL.
    #[error("{what} in database {database}: the server said {value:?}, which is not understood")]
    Answer {
        /// What was being read.
        what: String,
        /// Where it was read.
        database: String,
        /// As the server gave it.
        value: String,
    },
    /// What was read is not what the snapshot had; read again, when nobody does such things.
    #[error(
        "read database {database}: tables were rewritten, renamed or dropped while they were read: {tables}"
    )]
    Rewritten {
        /// Where the tables are.
        database: String,
        /// Their names, joined with commas.
        tables: String,
    },
    /// Nobody holds a snapshot of a database that was to be read in one.
    #[error("read database {database}: there is no snapshot of it")]
    NotHeld {
        /// The database without one.
        database: String,
    },
    /// The file for rows could not be made or written.
    #[error("keep rows in {}: {source}", folder.display())]
    Spool {
        /// The evidence folder, whose disk the file is on.
        folder: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server took longer than it may.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// A task that reads panicked or was stopped: a fault of this program.
    #[error("read database {database}: a reader ended early: {detail}")]
    Reader {
        /// What it was reading.
        database: String,
        /// What is known of its end.
        detail: String,
    },
}

/// SQLSTATEs, or their classes, with which a server ends a session or begins none: connection exceptions, a shutdown or a
/// crash, no connection left.
const NO_SESSION: [&str; 3] = ["08", "57P", "53300"];

impl DataError {
    /// There was no answer of a server that works, so nothing is known of the data: a connection that was lost, a limit of ours.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self {
            DataError::Query { source, .. } | DataError::Connect { source, .. } => is_unanswered(source),
            _ => true,
        }
    }

    /// The session was ended by the server or by the network, or there was none to be had.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            DataError::Query { source, .. } | DataError::Connect { source, .. } => is_unanswered(source),
            _ => false,
        }
    }

    /// The server could not put a text together: with a gigabyte it would be too long. A value whose length is damaged looks the
    /// same, and cannot be read by parts either.
    pub(crate) fn is_too_long(&self) -> bool {
        let DataError::Query { source, .. } = self else { return false };
        let Some(server) = source.as_db_error() else { return false };
        let code = server.code().code();
        code == "54000"
            || code == "XX000" && server.message().starts_with("invalid memory alloc request size")
    }

    /// Why data cannot be read although the server works: that is something seen of the data. Any other error leaves open
    /// what they are.
    pub(crate) fn damage(&self) -> Option<String> {
        let (DataError::Query { source, .. } | DataError::Connect { source, .. }) = self else { return None };
        let code = source.as_db_error()?.code().code();
        if ENCODING.contains(&code) {
            return Some(format!("bytes of it are no text of its encoding: {}", detail(source)));
        }
        DAMAGE.iter().any(|class| code.starts_with(class)).then(|| detail(source))
    }
}

/// As [`DataError::is_unanswered`].
pub(crate) fn is_unanswered(error: &tokio_postgres::Error) -> bool {
    let Some(server) = error.as_db_error() else { return true };
    NO_SESSION.iter().any(|class| server.code().code().starts_with(class))
}

/// The server's own message: the outer error only says "db error".
pub(crate) fn detail(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", server.message(), server.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

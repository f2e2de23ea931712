//! What can go wrong while a cluster's data are observed or compared.

use std::error::Error as _;
use std::path::PathBuf;

use crate::poll::TimedOut;

/// Classes of SQLSTATE with which a server that works says that data do not: they cannot be read as what they should be, there
/// is no such database, a file is missing, a page is invalid.
const DAMAGE: [&str; 4] = ["22", "3D", "58", "XX"];

/// Fits after "failed to observe data: ".
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("connect to {host}:{port}, database {database}: {}", detail(source))]
    Connect { host: String, port: u16, database: String, source: tokio_postgres::Error },
    #[error("{what} in database {database}: {}", detail(source))]
    Query { what: String, database: String, source: tokio_postgres::Error },
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{what} in database {database}: the server said {value:?}, which is not understood")]
    Answer { what: String, database: String, value: String },
    #[error("database {database}: tables were rewritten or dropped while they were read: {tables}")]
    Rewritten { database: String, tables: String },
    #[error("{0}")]
    NotHeld(String),
    #[error("keep rows in {}: {source}", folder.display())]
    Spool { folder: PathBuf, source: std::io::Error },
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    #[error("a reader of database {database} ended early: {detail}")]
    Reader { database: String, detail: String },
}

impl DataError {
    /// Why data cannot be read although the server works: that is something seen of the data. Any other error leaves open
    /// what they are.
    pub(crate) fn damage(&self) -> Option<String> {
        let (DataError::Query { source, .. } | DataError::Connect { source, .. }) = self else { return None };
        let code = source.as_db_error()?.code().code();
        DAMAGE.iter().any(|class| code.starts_with(class)).then(|| detail(source))
    }
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

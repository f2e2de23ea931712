//! What can go wrong while a cluster's data are observed or compared.

use std::error::Error as _;
use std::path::PathBuf;

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
    #[error("keep rows in {}: {source}", path.display())]
    Spool { path: PathBuf, source: std::io::Error },
    #[error("a reader of database {database} ended early: {detail}")]
    Reader { database: String, detail: String },
}

/// The server's own message: the outer error only says "db error".
fn detail(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", server.message(), server.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

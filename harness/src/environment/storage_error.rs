//! Why a drill has no storage.

use std::path::PathBuf;

use super::EnvironmentError;
use crate::storage::{AzuriteError, BlobsError, GatewayError};

/// The part that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder for the storage's files could not be made.
    #[error("make the folder {}: {source}", .path.display())]
    Folder {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// An environment of this kind keeps no archives.
    #[error("begin with a prepared archive or keep one: an environment of kind {0} cannot")]
    NoArchives(&'static str),
    /// Azurite did not come up, or ended.
    #[error("{0}")]
    Azurite(#[from] AzuriteError),
    /// The gateway before it did not come up.
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    /// Accounts or containers could not be made ready.
    #[error("{0}")]
    Blobs(#[from] BlobsError),
    /// The place where it should run is at fault.
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
}

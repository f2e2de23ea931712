//! Why a drill has no storage.

use std::path::PathBuf;

use super::EnvironmentError;
use crate::storage::{AzuriteError, BlobsError, GatewayError};

/// The part that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("make the folder {}: {source}", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Azurite(#[from] AzuriteError),
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    #[error("{0}")]
    Blobs(#[from] BlobsError),
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
}

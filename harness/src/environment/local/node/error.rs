//! Why the node does not work.

use std::path::PathBuf;

use super::kubelet::KubeletError;
use super::network::NetworkError;
use super::process::StartError;
use crate::environment::EnvironmentError;

/// Why the node could not start or do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("{0}")]
    Network(#[from] NetworkError),
    #[error("make the node's folder {}: {source}", .path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error("ask the API server: {0}")]
    Kube(#[from] Box<kube::Error>),
    #[error("find container \"{container}\" of pod \"{namespace}/{pod}\": none of that name is running")]
    NoContainer { namespace: String, pod: String, container: String },
    #[error("{0}")]
    Kubelet(#[from] KubeletError),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("{0}")]
    TimedOut(#[from] crate::poll::TimedOut),
    #[error("ask the node: it is stopping")]
    Stopping,
    /// A part of the node that should not end did.
    #[error("{0} ended by itself")]
    Ended(String),
}

impl From<NodeError> for EnvironmentError {
    fn from(error: NodeError) -> Self {
        EnvironmentError::Part { part: "the node".to_owned(), why: error.to_string(), log: Vec::new() }
    }
}

//! Why the node does not work.

use std::path::PathBuf;

use super::kubelet::KubeletError;
use super::network::NetworkError;
use super::process::StartError;
use crate::environment::EnvironmentError;

/// Why the node could not start or do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A pod's network could not be made, or the node's bridge is not as it should be.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// A folder of the node could not be made, or its certificates not be written.
    #[error("make the node's folder {}: {source}", .path.display())]
    State {
        /// Below the node's own folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A request to the API server failed.
    #[error("ask the API server: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A program was to be run in a container that does not run.
    #[error("find container \"{container}\" of pod \"{namespace}/{pod}\": none of that name is running")]
    NoContainer {
        /// That of the pod.
        namespace: String,
        /// By its `metadata.name`.
        pod: String,
        /// The container's name in the pod.
        container: String,
    },
    /// The port that the API server asks on could not be opened.
    #[error("{0}")]
    Kubelet(#[from] KubeletError),
    /// A container's program could not be started.
    #[error("{0}")]
    Start(#[from] StartError),
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(#[from] crate::poll::TimedOut),
    /// It was told to end; whoever asks it now comes too late.
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

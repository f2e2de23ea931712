//! Why nothing could be rendered.

use crate::environment::EnvironmentError;
use crate::operator::{ApplyError, InstallError, ManifestError};
use crate::poll::TimedOut;

/// Why nothing could be rendered: the environment or a part of it is at fault, never the input. Fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The control plane is at fault.
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    /// The release's manifests cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The operator could not be installed.
    #[error("{0}")]
    Install(#[from] InstallError),
    /// The API server refused an object of ours, not of the input.
    #[error("{0}")]
    Apply(#[from] ApplyError),
    /// A request to the API server failed.
    #[error("ask the API server: {0}")]
    Kube(Box<kube::Error>),
    /// The operator or the API server did not do something in time.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    /// Nobody gave its program.
    #[error("use operator {0}: its program was not fetched")]
    NoOperator(String),
    /// The operator's program could not be asked which flags it has.
    #[error("ask operator {operator} for its flags: {source}")]
    Flags {
        /// Its version.
        operator: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// What the process inside the environment said.
    #[error("{0}")]
    Inside(String),
    /// The folder for temporary files takes none.
    #[error("make a file for the environment's log: {0}")]
    Log(std::io::Error),
    /// The process inside the environment ended without a result.
    #[error("run the process inside the environment: {why}{}", .said.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Worker {
        /// How it ended, or what it answered.
        why: String,
        /// The last lines of its stderr.
        said: Vec<String>,
    },
}

impl From<kube::Error> for RenderError {
    fn from(error: kube::Error) -> Self {
        RenderError::Kube(Box::new(error))
    }
}

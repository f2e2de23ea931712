//! Why nothing could be rendered.

use crate::environment::EnvironmentError;
use crate::operator::{ApplyError, InstallError, ManifestError};
use crate::poll::TimedOut;

/// Why nothing could be rendered: the environment or a part of it is at fault, never the input. Fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    #[error("{0}")]
    Install(#[from] InstallError),
    #[error("{0}")]
    Apply(#[from] ApplyError),
    #[error("ask the API server: {0}")]
    Kube(Box<kube::Error>),
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    /// Nobody gave its program.
    #[error("use operator {0}: its program was not fetched")]
    NoOperator(String),
    #[error("ask operator {operator} for its flags: {source}")]
    Flags { operator: String, source: std::io::Error },
    /// What the process inside the environment said.
    #[error("{0}")]
    Inside(String),
    #[error("make a file for the environment's log: {0}")]
    Log(std::io::Error),
    /// The process inside the environment ended without a result.
    #[error("run the process inside the environment: {why}{}", .said.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Worker { why: String, said: Vec<String> },
}

impl From<kube::Error> for RenderError {
    fn from(error: kube::Error) -> Self {
        RenderError::Kube(Box::new(error))
    }
}

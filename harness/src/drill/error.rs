//! Why a drill could not go on.

use std::path::PathBuf;

use crate::environment::EnvironmentError;
use crate::exit::Verdict;
use crate::observe::data::DataError;
use crate::operator::{ApplyError, InstallError, ManifestError};
use crate::poll::{PollError, TimedOut};
use crate::report::Finding;
use crate::scenario::{FillError, ScenarioError};
use crate::snapshot::leak::LeakError;
use crate::snapshot::store::SnapshotError;
use crate::storage::{AzuriteError, BlobsError, GatewayError};

#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The scenario's fault, with its place in the file.
    #[error("{0}")]
    Scenario(#[from] Box<ScenarioError>),
    /// The scenario's fault, at a place that is not known closer than its step.
    #[error("{0}")]
    Fill(#[from] FillError),
    /// The world stood, and a step did not do what it should.
    #[error("{what}: {why}")]
    Step { what: String, why: String, evidence: Vec<String> },
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    #[error("{0}")]
    Apply(#[from] ApplyError),
    #[error("{0}")]
    Install(#[from] InstallError),
    #[error("{0}")]
    Azurite(#[from] AzuriteError),
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    #[error("{0}")]
    Blobs(#[from] BlobsError),
    #[error("{0}")]
    Data(#[from] DataError),
    #[error("{what}: {}", database_error(.source))]
    Sql { what: String, source: tokio_postgres::Error },
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    #[error("{0}")]
    Leak(#[from] LeakError),
    #[error("write {path}: {source}", path = .path.display())]
    Evidence { path: PathBuf, source: std::io::Error },
    #[error("know the operator {0}: no tool was given for it")]
    NoOperator(String),
}

impl From<kube::Error> for DrillError {
    fn from(error: kube::Error) -> Self {
        DrillError::Environment(error.into())
    }
}

impl<E> From<PollError<E>> for DrillError
where
    DrillError: From<E>,
{
    fn from(error: PollError<E>) -> Self {
        match error {
            PollError::TimedOut(timed_out) => timed_out.into(),
            PollError::Failed(error) => error.into(),
        }
    }
}

impl DrillError {
    pub(super) fn step(what: impl Into<String>, why: impl Into<String>) -> Self {
        DrillError::Step { what: what.into(), why: why.into(), evidence: Vec::new() }
    }

    /// Whose fault it is.
    pub fn verdict(&self) -> Verdict {
        match self {
            DrillError::Scenario(_) | DrillError::Fill(_) => Verdict::Invalid,
            DrillError::Apply(ApplyError::Rejected { .. } | ApplyError::Incomplete(_)) => Verdict::Invalid,
            DrillError::Sql { source, .. } if source.as_db_error().is_some() => Verdict::Invalid,
            DrillError::Step { .. } | DrillError::TimedOut(_) => Verdict::Failed,
            _ => Verdict::Broken,
        }
    }

    /// As a report shows it. `doing` is the phase or step in which it happened.
    pub fn finding(&self, doing: &str) -> Finding {
        let evidence = match self {
            DrillError::Step { evidence, .. } => evidence.clone(),
            DrillError::Scenario(error) => rendered(error),
            _ => Vec::new(),
        };
        let seen = match self {
            DrillError::Scenario(error) => error.to_string(),
            _ => format!("failed to {self}"),
        };
        Finding {
            subject: doing.to_owned(),
            expected: "it to be done".to_owned(),
            seen,
            evidence,
            help: String::new(),
        }
    }
}

/// The diagnostic with its place in the file, as the command line shows it.
fn rendered(error: &ScenarioError) -> Vec<String> {
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        // A secret in two pieces would not be known for one.
        .with_wrap_lines(false);
    match handler.render_report(&mut text, error) {
        Ok(()) => text.lines().map(str::to_owned).collect(),
        Err(_) => vec![error.to_string()],
    }
}

/// `Display` of the library's error says only "db error".
fn database_error(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}: {}{detail}", error.severity(), error.message())
        }
        None => error.to_string(),
    }
}

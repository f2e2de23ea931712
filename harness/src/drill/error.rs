//! Why a drill could not go on.

use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use crate::environment::{EnvironmentError, StorageError};
use crate::exit::Verdict;
use crate::observe::data::DataError;
use crate::operator::{ApplyError, InstallError, ManifestError};
use crate::poll::{PollError, TimedOut};
use crate::report::Finding;
use crate::scenario::{FillError, ScenarioError};
use crate::snapshot::leak::LeakError;
use crate::snapshot::store::SnapshotError;
use crate::storage::BlobsError;

/// Why a drill could not go on.
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
    Step {
        /// What was being done, such as `run SQL`.
        what: String,
        /// What came of it instead.
        why: String,
        /// Lines that show it; may be empty.
        evidence: Vec<String>,
    },
    /// Something did not happen in time, which proves nothing.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    /// The environment is at fault, or did not do what was asked.
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    /// The operator's release cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// An object did not get into the cluster.
    #[error("{0}")]
    Apply(#[from] ApplyError),
    /// The operator could not be installed, or did not work.
    #[error("{0}")]
    Install(#[from] InstallError),
    /// The storage did not come up.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// With its last lines.
    #[error("{0}")]
    StorageEnded(String),
    /// A storage account did not do something, such as a copy.
    #[error("{0}")]
    Blobs(#[from] BlobsError),
    /// A cluster's data could not be read.
    #[error("{0}")]
    Data(#[from] DataError),
    /// A statement failed: the scenario's fault where its error code says so, else the server's.
    #[error("{what}: {}", database_error(.source))]
    Sql {
        /// What it was for.
        what: String,
        /// What the driver says; the server's own words are in it.
        source: tokio_postgres::Error,
    },
    /// A snapshot could not be read or written.
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    /// The search for secrets could not look at everything.
    #[error("{0}")]
    Leak(#[from] LeakError),
    /// The drill's own folder could not be written to.
    #[error("write {path}: {source}", path = .path.display())]
    Evidence {
        /// Below the drill's own folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The version or name that no program was given for.
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
            DrillError::Sql { source, .. } if source.code().is_some_and(is_fault_of_statement) => {
                Verdict::Invalid
            }
            DrillError::Step { .. } => Verdict::Failed,
            // A wait that ended without what it waited for proves nothing, and so does a server that could not do its work.
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
        Finding::new(
            doing.to_owned(),
            match self.verdict() {
                Verdict::Invalid => String::new(),
                _ => format!("`{doing}` to be done"),
            },
            seen,
        )
        .with_evidence(evidence)
    }
}

/// Whether an error is about the statement or the data that it is about, and would be the same on any server: by the
/// classes of PostgreSQL's error codes (appendix A of its manual).
fn is_fault_of_statement(code: &SqlState) -> bool {
    const CLASSES: [&str; 18] = [
        "0A", "0L", "0P", "21", "22", "23", "26", "27", "28", "2B", "2F", "34", "38", "39", "3D", "3F", "42",
        "P0",
    ];
    // Of class 25, in which a transaction is that should not be, only this one is about the server: it is a standby.
    let own_transaction = code.code().starts_with("25") && *code != SqlState::READ_ONLY_SQL_TRANSACTION;
    own_transaction || CLASSES.iter().any(|class| code.code().starts_with(class))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_speaks_of_the_backups_fails_a_drill() {
        let timed_out = TimedOut { what: "x".to_owned(), after: Duration::ZERO, last: "y".to_owned() };
        assert_eq!(DrillError::from(timed_out).verdict(), Verdict::Broken);
        assert_eq!(DrillError::step("back up", "it ended with code 1").verdict(), Verdict::Failed);
    }

    #[test]
    fn a_statement_is_at_fault_only_where_it_would_be_on_any_server() {
        for (code, at_fault) in [
            (SqlState::SYNTAX_ERROR, true),
            (SqlState::UNIQUE_VIOLATION, true),
            (SqlState::INVALID_CATALOG_NAME, true),
            (SqlState::RAISE_EXCEPTION, true),
            (SqlState::ADMIN_SHUTDOWN, false),
            (SqlState::CRASH_SHUTDOWN, false),
            (SqlState::DISK_FULL, false),
            (SqlState::READ_ONLY_SQL_TRANSACTION, false),
        ] {
            assert_eq!(is_fault_of_statement(&code), at_fault, "{}", code.code());
        }
    }
}

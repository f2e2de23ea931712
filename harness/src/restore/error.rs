//! Why a restore drill could not be done.

use super::quiet::QuietError;
use crate::environment::cluster::ClusterError;
use crate::exit::Verdict;
use crate::observe::data::DataError;
use crate::poll::TimedOut;
use crate::report::Finding;

/// Why a restore drill could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    #[error("find the source {0}: there is no such `postgresql` object")]
    NoSource(String),
    #[error("read the env of {0}: the operator has made no StatefulSet of it")]
    NotRendered(String),
    /// The source has no backups that a clone could be made from.
    #[error("{0}")]
    NoBackups(String),
    /// It would be unsafe, or cannot be made from the source's settings.
    #[error("make the clone: {why}")]
    Refused { why: String, help: String },
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Quiet(#[from] QuietError),
    #[error("write {path}: {source}")]
    Evidence { path: std::path::PathBuf, source: std::io::Error },
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    /// Something in the cluster that the drill cannot do without did not do its work.
    #[error("{what}: {seen}")]
    Broken { what: String, seen: String, help: String },
}

impl RestoreError {
    /// The drill will not do this; `help` says what to do instead.
    pub fn refused(why: impl Into<String>, help: impl Into<String>) -> Self {
        RestoreError::Refused { why: why.into(), help: help.into() }
    }

    /// Whose fault it is.
    pub fn verdict(&self) -> Verdict {
        match self {
            RestoreError::Cluster(error) => error.verdict(),
            RestoreError::NoSource(_) | RestoreError::Refused { .. } => Verdict::Invalid,
            RestoreError::NoBackups(_) => Verdict::Failed,
            _ => Verdict::Broken,
        }
    }

    /// As it stands in a report. `doing` names the step. A person's own mistake is no expectation that was not met: it is told
    /// as it is.
    pub fn finding(&self, doing: &str) -> Finding {
        let help = match self {
            RestoreError::Cluster(error) => error.help().unwrap_or_default(),
            RestoreError::Refused { help, .. } | RestoreError::Broken { help, .. } => help.clone(),
            RestoreError::NoBackups(_) => {
                "without backups there is nothing to restore: `clonedrill check` finds out why it has none"
                    .to_owned()
            }
            RestoreError::Data(DataError::Rewritten { database, tables }) => {
                let names = tables.split(", ").map(|table| format!("{database}.{table}"));
                let names = names.collect::<Vec<_>>().join(", ");
                format!(
                    "a table that is rewritten has no rows for who looks at it as of before: do the drill while nobody \
                     refreshes or truncates it, or leave it out with `compare: {{ except: [{names}] }}`"
                )
            }
            _ => String::new(),
        };
        Finding {
            subject: doing.to_owned(),
            expected: match self.verdict() {
                Verdict::Invalid => String::new(),
                _ => format!("the step `{doing}` to be done"),
            },
            seen: format!("failed to {self}"),
            evidence: Vec::new(),
            help,
        }
    }
}

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
    /// The cluster, or the way to it, is at fault.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// `namespace/name`, as the drill's file or arguments have it.
    #[error("find the source {0}: there is no such `postgresql` object")]
    NoSource(String),
    /// `namespace/name`. Without a StatefulSet nobody knows where its backups are.
    #[error("read the env of {0}: the operator has made no StatefulSet of it")]
    NotRendered(String),
    /// The source has no backups that a clone could be made from.
    #[error("{0}")]
    NoBackups(String),
    /// It would be unsafe, or cannot be made from the source's settings.
    #[error("make the clone: {why}")]
    Refused {
        /// What about it is unsafe or missing.
        why: String,
        /// What the person who asked can change; may be empty.
        help: String,
    },
    /// The source or the clone could not be looked at.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There was no quiet moment of the source, or it was not archived.
    #[error(transparent)]
    Quiet(#[from] QuietError),
    /// The evidence folder could not be made or written.
    #[error("write {path}: {source}")]
    Evidence {
        /// Below the drill's evidence folder.
        path: std::path::PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
    /// Something in the cluster that the drill cannot do without did not do its work.
    #[error("{what}: {seen}")]
    Broken {
        /// What was being done.
        what: String,
        /// What was there instead.
        seen: String,
        /// What a person can do about it; may be empty.
        help: String,
    },
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

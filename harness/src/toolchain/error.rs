//! Why the programs of a run could not be had.

use std::path::PathBuf;

use super::command::CommandError;
use super::images::ImagesError;
use super::remedy::Remedy;
use crate::exit::Verdict;
use crate::poll::TimedOut;

/// Why the programs of a run could not be had. Fits after "failed to".
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ToolchainError {
    /// Programs of the machine that making a part needs, all of them at once.
    #[error("find what is needed on this machine:{}", remedies(.0))]
    Missing(Vec<Remedy>),
    /// A path that a person gave does not lead to what it should.
    #[error("use the {program} given by {origin}: {path} {why}", path = .path.display())]
    Given {
        /// As its key in `clonedrill.yaml`.
        program: String,
        /// The file or variable that gave it.
        origin: String,
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it; follows the path in the message.
        why: String,
    },
    /// There is no such release, and nobody gave one of that name.
    #[error("find operator {version}: {why}")]
    #[diagnostic(help("{help}"))]
    OperatorUnknown {
        /// As the scenario or the user has it.
        version: String,
        /// What is known of it.
        why: String,
        /// The nearest that can be had.
        help: String,
    },
    /// Without it there is nowhere to put programs; one of the three says where.
    #[error("find the user's cache folder: neither CLONEDRILL_CACHE, XDG_CACHE_HOME nor HOME is set")]
    NoCacheFolder,
    /// Several parts are made at once; the first failure stops the others from starting.
    #[error("make {}", parts(.0))]
    Parts(Vec<PartError>),
    /// An image that is to run in place of programs.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImagesError),
    /// Ctrl-C or SIGTERM came while programs were made.
    #[error("make the programs of the run: interrupted")]
    Interrupted,
}

impl ToolchainError {
    /// A version or path that a person gave is exit code 2; what the machine lacks is 3.
    pub fn verdict(&self) -> Verdict {
        match self {
            ToolchainError::OperatorUnknown { .. } | ToolchainError::Given { .. } => Verdict::Invalid,
            ToolchainError::Interrupted => Verdict::Interrupted,
            ToolchainError::Image(error) => error.verdict(),
            _ => Verdict::Broken,
        }
    }
}

/// One part that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{part} {version}: {source}")]
pub struct PartError {
    pub part: String,
    pub version: String,
    pub source: MakeError,
}

/// What went wrong while a part was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("{what} {path}: {source}", path = .path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Needs(Remedy),
    /// Somebody else has held the part's lock for longer than anything takes.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    #[error("interrupted")]
    Interrupted,
    #[error("{why}")]
    UnknownVersion { why: String },
    #[error("{0}")]
    Result(String),
}

impl MakeError {
    /// Whether it is only that nobody wanted the part any more.
    pub fn is_interruption(&self) -> bool {
        matches!(self, MakeError::Interrupted | MakeError::Command(CommandError::Interrupted { .. }))
    }

    /// For `map_err`: what was done to which path.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> MakeError {
        let path = path.into();
        move |source| MakeError::Io { what, path, source }
    }
}

fn remedies(all: &[Remedy]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}

fn parts(all: &[PartError]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nand to make ")
}

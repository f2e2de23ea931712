//! Why images could not be had.

use std::path::PathBuf;

use crate::environment::local::images::ImageError;
use crate::exit::Verdict;
use crate::release::ManifestError;
use crate::toolchain::command::CommandError;

/// Why images could not be had. Fits after "failed to".
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImagesError {
    #[error("find the program docker on PATH")]
    #[diagnostic(help(
        "install Docker's client (Debian: `apt-get install docker.io`), and start its daemon"
    ))]
    NoDocker,
    #[error("reach Docker's daemon: {0}")]
    #[diagnostic(help(
        "start it, or say in DOCKER_HOST where it listens; `docker version` must name a server, for this user too"
    ))]
    NoDaemon(String),
    #[error("import the image {reference}: {why}{}", last_lines(.last))]
    Import { reference: String, why: String, last: Vec<String> },
    #[error("understand what Docker says of the image {reference}: {why}")]
    Answer { reference: String, why: String },
    /// Docker's client failed, or did not end.
    #[error(transparent)]
    Docker(CommandError),
    /// Somebody would take ours for theirs ever after.
    #[error("make the image {reference}: there is one of this name that clonedrill did not make")]
    #[diagnostic(help(
        "remove it (`docker image rm {reference}`), or give another name under `images` in clonedrill.yaml"
    ))]
    NotOurs { reference: String },
    #[error("read {path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("write {path}: {source}", path = .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("find out what Patroni's python needs: {python} {why}", python = .python.display())]
    Python { python: PathBuf, why: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("find operator {0} among the programs of this run")]
    Operator(String),
    #[error("make the images: interrupted")]
    Interrupted,
}

impl ImagesError {
    /// Whose fault it is.
    pub fn verdict(&self) -> Verdict {
        match self {
            ImagesError::Interrupted => Verdict::Interrupted,
            ImagesError::NotOurs { .. } => Verdict::Invalid,
            _ => Verdict::Broken,
        }
    }

    /// For `map_err`: which file could not be read.
    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> ImagesError {
        let path = path.into();
        move |source| ImagesError::Read { path, source }
    }
}

impl From<CommandError> for ImagesError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Interrupted { .. } => ImagesError::Interrupted,
            other => ImagesError::Docker(other),
        }
    }
}

fn last_lines(last: &[String]) -> String {
    if last.is_empty() { String::new() } else { format!("; its last lines:\n  {}", last.join("\n  ")) }
}

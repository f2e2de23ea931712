//! Why images could not be had.

use std::path::PathBuf;

use crate::environment::local::images::ImageError;
use crate::exit::Verdict;
use crate::release::ManifestError;
use crate::toolchain::command::CommandError;

/// Why images could not be had. Fits after "failed to".
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImagesError {
    /// There is no program `docker` on `PATH`.
    #[error("find the program docker on PATH")]
    #[diagnostic(help(
        "install Docker's client (Debian: `apt-get install docker.io`), and start its daemon"
    ))]
    NoDocker,
    /// Docker's client runs, and nobody answers it. Its last words.
    #[error("reach Docker's daemon: {0}")]
    #[diagnostic(help(
        "start it, or say in DOCKER_HOST where it listens; `docker version` must name a server, for this user too"
    ))]
    NoDaemon(String),
    /// Docker did not take the layers that it was given, or not in time.
    #[error("import the image {reference}: {why}{}", last_lines(.last))]
    Import {
        /// The name that the image was to get.
        reference: String,
        /// What writing to the client or its end said.
        why: String,
        /// The client's last lines on stderr.
        last: Vec<String>,
    },
    /// What `docker image inspect` printed is not what it should be.
    #[error("understand what Docker says of the image {reference}: {why}")]
    Answer {
        /// The image that was asked about.
        reference: String,
        /// What the JSON parser says.
        why: String,
    },
    /// Docker's client failed, or did not end.
    #[error(transparent)]
    Docker(CommandError),
    /// Somebody would take ours for theirs ever after.
    #[error("make the image {reference}: there is one of this name that clonedrill did not make")]
    #[diagnostic(help(
        "remove it (`docker image rm {reference}`), or give another name under `images` in clonedrill.yaml"
    ))]
    NotOurs {
        /// The name that another image has.
        reference: String,
    },
    /// A file of this machine that belongs into an image, or is needed to tell what does.
    #[error("read {path}: {source}", path = .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The folder for an archive of images could not be made.
    #[error("write {path}: {source}", path = .path.display())]
    Write {
        /// The parent of the archive that was asked for.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Python was asked for its modules' files, and did not tell.
    #[error("find out what Patroni's python needs: {python} {why}", python = .python.display())]
    Python {
        /// The interpreter that Patroni runs with.
        python: PathBuf,
        /// What it printed on stderr, or why it did not start.
        why: String,
    },
    /// The operator's release does not tell which Spilo it is for.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Nothing on this machine stands for an image of this name.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The name that was asked for and nobody gave a program of.
    #[error("find operator {0} among the programs of this run")]
    Operator(String),
    /// A signal, or the failure of another part, ended it before its end.
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

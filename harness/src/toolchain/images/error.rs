//! Why an image could not be had for the local environment.

use std::path::PathBuf;

use crate::exit::Verdict;

/// Why an image could not be had. Fits after "failed to".
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImagesError {
    /// What a path leads to is no image.
    #[error("read the image {path:?}: {why}")]
    #[diagnostic(help(
        "an image is a folder in the OCI layout, an archive of it, what `docker save` writes, a folder with a root file \
         system, or a reference in a registry"
    ))]
    Source {
        /// Where it should be.
        path: PathBuf,
        /// What is there instead.
        why: String,
    },
    /// A path leads to several images, and it was not said which, or to none of this name.
    #[error("choose an image of {path:?}: {why}; it has {}", .names.join(", "))]
    #[diagnostic(help(
        "say which one after a `#`: {path}#{first}", path = .path.display(),
        first = .names.first().map_or("name", String::as_str)
    ))]
    Which {
        /// The layout or archive.
        path: PathBuf,
        /// Whether it has several, none, or none of the name.
        why: &'static str,
        /// Those that are there.
        names: Vec<String>,
    },
    /// It was built for another machine.
    #[error("use the image {image}: it is for {found}, and this machine is {wanted}")]
    #[diagnostic(help("give one that was built for this machine, or for several"))]
    Architecture {
        /// As it was given.
        image: String,
        /// `linux/s390x`; several with commas between them.
        found: String,
        /// `linux/amd64`.
        wanted: String,
    },
    /// Its manifest or configuration cannot be understood.
    #[error("read what the image {image} says of itself: {why}")]
    Config {
        /// As it was given.
        image: String,
        /// What is wrong there.
        why: String,
    },
    /// What came is not what was asked for.
    #[error("use the image {image}: {what} {wanted} has another digest: {found}")]
    #[diagnostic(help("it was changed on its way, or by whoever keeps it: get it anew, from elsewhere"))]
    Digest {
        /// As it was given.
        image: String,
        /// `the manifest` or `the configuration`.
        what: &'static str,
        /// The digest that names it.
        wanted: String,
        /// The digest that it has.
        found: String,
    },
    /// A manifest names it, and nobody has it.
    #[error("use the image {image}: {what} {digest} is missing")]
    Missing {
        /// As it was given.
        image: String,
        /// `the layer`, `the manifest` or `the configuration`.
        what: &'static str,
        /// The digest that names it, or its path in an archive.
        digest: String,
    },
    /// From the process that unpacks, which says all.
    #[error("{0}")]
    Unpack(String),
    /// The registry wants to know who asks, or does not let him.
    #[error("log in to {registry}: {why}")]
    #[diagnostic(help(
        "`docker login {registry}` keeps a login in ~/.docker/config.json, where it is looked for"
    ))]
    Login {
        /// Its host and port.
        registry: String,
        /// Whether there was a login, and what was said to it.
        why: String,
    },
    /// The registry has not answered as it should.
    #[error("get {what} of {image} from {registry}: {why}")]
    Registry {
        /// As it was given.
        image: String,
        /// Its host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// What was said.
        why: String,
    },
    /// It is neither a path nor a reference: the text, and what is wrong with it.
    #[error("understand the reference \"{0}\": {1}")]
    Reference(String, String),
    /// It needs more users than this machine gives.
    #[error(
        "use the image {image}: it starts as root and has files of other users, and this machine gives a sandbox one user \
         only: {problem}"
    )]
    #[diagnostic(help("{remedy}"))]
    OneUser {
        /// As it was given.
        image: String,
        /// Why there is one only.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// There is no room for what was fetched.
    #[error("make room for images in {path:?}: the disk is full")]
    Full {
        /// The folder or file that was written to.
        path: PathBuf,
    },
    /// The cache cannot be used.
    #[error("{what} {path:?}: {source}")]
    File {
        /// What was done: `open`, `write`, ….
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The process that unpacks did not start, or said something else. Why.
    #[error("run the process that unpacks layers: {0}")]
    Worker(String),
    /// Somebody would lose what he runs on.
    #[error("remove images: something runs that uses them")]
    #[diagnostic(help("end it first; `clonedrill down` ends an environment that was kept"))]
    InUse,
    /// Ctrl-C or SIGTERM came meanwhile.
    #[error("get the images: interrupted")]
    Interrupted,
}

impl ImagesError {
    /// A name that leads to several images is the person's; all else is the machine's or the image's.
    pub fn verdict(&self) -> Verdict {
        match self {
            ImagesError::Which { .. } | ImagesError::Reference(..) => Verdict::Invalid,
            ImagesError::Interrupted => Verdict::Interrupted,
            _ => Verdict::Broken,
        }
    }

    /// For `map_err`: what was done to which path.
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> ImagesError {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ImagesError::Full { path },
            _ => ImagesError::File { what, path, source },
        }
    }
}

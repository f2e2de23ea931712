//! Why an image could not be had for the local environment.

use std::path::PathBuf;

use crate::exit::Verdict;

/// Why an image could not be had. Fits after "failed to".
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImagesError {
    #[error("read the image {path:?}: {why}")]
    #[diagnostic(help(
        "an image is a folder in the OCI layout, an archive of it, what `docker save` writes, a folder with a root file \
         system, or a reference in a registry"
    ))]
    Source { path: PathBuf, why: String },
    #[error("choose an image of {path:?}: {why}; it has {}", .names.join(", "))]
    #[diagnostic(help("say which one after a `#`: {path}#{first}", path = .path.display(), first = .names.first().map_or("name", String::as_str)))]
    Which { path: PathBuf, why: &'static str, names: Vec<String> },
    #[error("use the image {image}: it is for {found}, and this machine is {wanted}")]
    #[diagnostic(help("give one that was built for this machine, or for several"))]
    Architecture { image: String, found: String, wanted: String },
    #[error("read what the image {image} says of itself: {why}")]
    Config { image: String, why: String },
    #[error("use the image {image}: {what} {wanted} has another digest: {found}")]
    #[diagnostic(help("it was changed on its way, or by whoever keeps it: get it anew, from elsewhere"))]
    Digest { image: String, what: &'static str, wanted: String, found: String },
    #[error("use the image {image}: {what} {digest} is missing")]
    Missing { image: String, what: &'static str, digest: String },
    /// From the process that unpacks, which says all.
    #[error("{0}")]
    Unpack(String),
    #[error("log in to {registry}: {why}")]
    #[diagnostic(help(
        "`docker login {registry}` keeps a login in ~/.docker/config.json, where it is looked for"
    ))]
    Login { registry: String, why: String },
    #[error("get {what} of {image} from {registry}: {why}")]
    Registry { image: String, registry: String, what: String, why: String },
    #[error("understand the reference \"{0}\": {1}")]
    Reference(String, String),
    #[error(
        "use the image {image}: it starts as root and has files of other users, and this machine gives a sandbox one user only: {problem}"
    )]
    #[diagnostic(help("{remedy}"))]
    OneUser { image: String, problem: String, remedy: String },
    #[error("make room for images in {path:?}: the disk is full")]
    Full { path: PathBuf },
    #[error("{what} {path:?}: {source}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("run the process that unpacks layers: {0}")]
    Worker(String),
    #[error("remove images: something runs that uses them")]
    #[diagnostic(help("end it first; `clonedrill down` ends an environment that was kept"))]
    InUse,
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

//! The image store: maps a reference to a root file system and an entry point.

pub mod shell;
pub mod spilo;
mod store;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use store::{ImageError, ImageStore};

/// What the node agent needs to run a container of an image. The root file system is a tmpfs with
/// `/usr` (and what goes with it) of the host, `visible` bound read-only, and `files` written last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Image {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: PathBuf,
    /// The image's user; a pod's `securityContext` may name another.
    pub uid: u32,
    pub gid: u32,
    /// The login name of `uid` and its home folder, for `/etc/passwd`.
    pub user: String,
    pub home: PathBuf,
    /// Folders and files of the host, seen read-only at the same path.
    pub visible: Vec<PathBuf>,
    /// Folders made in the root file system, owned by the image's user.
    pub folders: Vec<PathBuf>,
    pub files: Vec<ImageFile>,
}

/// A file of an image's own layer. Its folder is made where missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageFile {
    pub path: PathBuf,
    pub content: ImageContent,
}

/// What an image is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ImageContent {
    Text { text: String, mode: u32 },
    Symlink(PathBuf),
}

/// Where this very program is inside every container; scripts are symlinks to it, told apart by `argv[0]`.
pub const OWN_PROGRAM: &str = "/opt/clonedrill/bin/clonedrill";

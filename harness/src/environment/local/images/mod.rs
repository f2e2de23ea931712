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
    /// What a container's `command` takes the place of.
    pub entrypoint: Vec<String>,
    /// What a container's `args` take the place of.
    pub cmd: Vec<String>,
    /// Below what the pod says.
    pub env: Vec<(String, String)>,
    /// Where the container says nothing.
    pub working_dir: PathBuf,
    /// The image's user; a pod's `securityContext` may name another.
    pub uid: u32,
    /// The group that goes with `uid`.
    pub gid: u32,
    /// The login name of `uid` and its home folder, for `/etc/passwd`.
    pub user: String,
    /// Also its `HOME`.
    pub home: PathBuf,
    /// Folders and files of the host, seen read-only at the same path.
    pub visible: Vec<PathBuf>,
    /// Folders made in the root file system, owned by the image's user.
    pub folders: Vec<PathBuf>,
    /// Written in this order, after all else.
    pub files: Vec<ImageFile>,
}

/// A file of an image's own layer. Its folder is made where missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageFile {
    /// Absolute, in the container.
    pub path: PathBuf,
    /// A text, or where it leads.
    pub content: ImageContent,
}

/// What an image is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ImageContent {
    /// A file with this text.
    Text {
        /// All of it, in UTF-8.
        text: String,
        /// As chmod takes it.
        mode: u32,
    },
    /// What it leads to, there or not.
    Symlink(PathBuf),
}

/// Where this very program is inside every container; scripts are symlinks to it, told apart by `argv[0]`.
pub const OWN_PROGRAM: &str = "/opt/clonedrill/bin/clonedrill";

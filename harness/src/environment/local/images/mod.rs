//! The image store: maps a reference to a root file system and an entry point.

mod accounts;
pub mod shell;
pub mod spilo;
mod store;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::toolchain::UnpackedImage;

pub use accounts::{gid_of, groups_of, home_of};
pub use store::{ImageError, ImageStore};

/// What the root file system of an image is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// A tmpfs with `/usr` (and what goes with it) of the host, `visible` bound read-only, and `files` written last.
    #[default]
    Machine,
    /// These folders one upon another, the lowest first, and nothing of the host. What a container writes lies on a tmpfs.
    Layers(Layers),
}

/// An image's own layers, and what it says of its users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Each is a layer, the lowest first.
    pub folders: Vec<PathBuf>,
    /// The image's `/etc/passwd`.
    pub passwd: String,
    /// The image's `/etc/group`.
    pub group: String,
    /// Of its manifest; empty where it has none.
    pub digest: String,
}

/// What the node agent needs to run a container of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Image {
    /// What lies below all that its containers write.
    pub root: Root,
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

impl Image {
    /// Of its manifest, where it has one.
    pub fn digest(&self) -> Option<&str> {
        match &self.root {
            Root::Layers(layers) if !layers.digest.is_empty() => Some(&layers.digest),
            _ => None,
        }
    }
}

impl From<UnpackedImage> for Image {
    fn from(image: UnpackedImage) -> Self {
        let UnpackedImage { digest, folders, entrypoint, cmd, env, working_dir, uid, gid, .. } = image;
        Image {
            root: Root::Layers(Layers { folders, passwd: image.passwd, group: image.group, digest }),
            entrypoint,
            cmd,
            env,
            working_dir,
            uid,
            gid,
            user: image.user,
            home: image.home,
            ..Image::default()
        }
    }
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

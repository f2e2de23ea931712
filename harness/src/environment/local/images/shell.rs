//! The image `clonedrill/shell`: the host's own programs and nothing else, for init containers and sidecars that need
//! no more than a shell, as `busybox` is used elsewhere.

use std::path::PathBuf;

use super::Image;

/// Its reference, under any tag.
pub const REFERENCE: &str = "clonedrill/shell";

/// The user has the number that distributions give to `nobody`.
const NOBODY: u32 = 65534;

/// A shell to begin with, as a user without rights.
pub fn image() -> Image {
    Image {
        entrypoint: vec!["/bin/sh".to_owned()],
        uid: NOBODY,
        gid: NOBODY,
        user: "nobody".to_owned(),
        home: PathBuf::from("/"),
        working_dir: PathBuf::from("/"),
        ..Image::default()
    }
}

//! The few mount calls that a root file system is made of.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::{During, SetupError};

const NONE: Option<&str> = None;

/// Nothing that is mounted from here on is seen outside.
pub(super) fn keep_to_ourselves() -> Result<(), SetupError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .during(|| "make the mounts private".to_owned())
}

pub(super) fn tmpfs(target: &Path, mode: &str) -> Result<(), SetupError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(mode))
        .during(|| format!("mount a tmpfs on {}", target.display()))
}

pub(super) fn proc(target: &Path) -> Result<(), SetupError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), target, Some("proc"), flags, NONE).during(|| "mount /proc".to_owned())
}

/// Terminals of the container's own.
pub(super) fn terminals(target: &Path) -> Result<(), SetupError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), target, Some("devpts"), flags, Some("newinstance,ptmxmode=0666,mode=0620"))
        .during(|| "mount /dev/pts".to_owned())
}

/// Binds `source` with all below it on `target`, which must exist and be of the same kind.
pub(super) fn bind(source: &Path, target: &Path, read_only: bool) -> Result<(), SetupError> {
    mount(Some(source), target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
        .during(|| format!("bind {} on {}", source.display(), target.display()))?;
    if read_only { forbid_writing(target, true) } else { Ok(()) }
}

/// Makes a mount (and those below it) read-only. Unlike a remount this keeps the flags that an outer
/// namespace locked.
pub(super) fn forbid_writing(target: &Path, with_all_below: bool) -> Result<(), SetupError> {
    let what = || format!("make {} read-only", target.display());
    let path = CString::new(target.as_os_str().as_bytes()).map_err(std::io::Error::from).during(what)?;
    let attributes = nix::libc::mount_attr {
        attr_set: nix::libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = if with_all_below { nix::libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and attributes outlive the call, and the size is theirs.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_mount_setattr,
            nix::libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<nix::libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).during(what) }
}

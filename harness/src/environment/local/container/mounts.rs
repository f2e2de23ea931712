//! The few mount calls that a root file system is made of.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsmount,
    fsopen, move_mount, open_tree,
};

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
    set_attributes(nix::libc::AT_FDCWD, &path, flags, &attributes).during(what)
}

fn set_attributes(
    at: i32,
    path: &CStr,
    flags: i32,
    attributes: &nix::libc::mount_attr,
) -> std::io::Result<()> {
    // SAFETY: path and attributes outlive the call, and the size is theirs.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const *attributes,
            size_of::<nix::libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A folder or file with all below it, held apart from any tree until it gets its place.
pub(super) struct Held {
    mount: OwnedFd,
    pub(super) is_folder: bool,
}

impl Held {
    pub(super) fn take(source: &Path, read_only: bool) -> Result<Held, SetupError> {
        let what = || format!("take {}", source.display());
        let is_folder = source.metadata().during(what)?.is_dir();
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let mount = open_tree(CWD, source, flags).map_err(std::io::Error::from).during(what)?;
        if read_only {
            let attributes = nix::libc::mount_attr {
                attr_set: nix::libc::MOUNT_ATTR_RDONLY,
                attr_clr: 0,
                propagation: 0,
                userns_fd: 0,
            };
            let flags = nix::libc::AT_RECURSIVE | nix::libc::AT_EMPTY_PATH;
            set_attributes(mount.as_raw_fd(), c"", flags, &attributes).during(what)?;
        }
        Ok(Held { mount, is_folder })
    }

    /// A `/proc` of this PID namespace. The kernel makes one only for who sees another one, so before the old root goes.
    pub(super) fn proc() -> Result<Held, SetupError> {
        let made = || {
            let made = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_create(made.as_fd())?;
            let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC;
            fsmount(made.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        let mount = made().map_err(std::io::Error::from).during(|| "make a /proc".to_owned())?;
        Ok(Held { mount, is_folder: true })
    }

    /// On a target without links, which exists and is of the same kind.
    pub(super) fn put(&self, target: &Path) -> Result<(), SetupError> {
        move_mount(&self.mount, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(std::io::Error::from)
            .during(|| format!("mount {}", target.display()))
    }
}

/// The folders one upon another, and above all what is written; both of `upper` and `work` are empty and on one file system.
/// Paths of many layers are long, so those that lie beside each other are named from there.
pub(super) fn overlay(
    folders: &[PathBuf],
    upper: &Path,
    work: &Path,
    target: &Path,
) -> Result<(), SetupError> {
    let what = || format!("mount {} layers on {}", folders.len(), target.display());
    let beside = folders.first().and_then(|folder| folder.parent()?.parent()).map(Path::to_owned);
    let beside = beside.filter(|beside| folders.iter().all(|folder| folder.starts_with(beside)));
    if let Some(beside) = &beside {
        std::env::set_current_dir(beside).during(|| format!("enter {}", beside.display()))?;
    }
    let named = |folder: &PathBuf| match &beside {
        Some(beside) => escaped(folder.strip_prefix(beside).unwrap_or(folder)),
        None => escaped(folder),
    };
    let lower: Vec<String> = folders.iter().rev().map(named).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        lower.join(":"),
        escaped(upper),
        escaped(work)
    );
    mount(Some("overlay"), target, Some("overlay"), MsFlags::MS_NODEV, Some(options.as_str())).during(what)
}

/// As overlayfs reads paths in its options.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for letter in path.to_string_lossy().chars() {
        if matches!(letter, ':' | ',' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

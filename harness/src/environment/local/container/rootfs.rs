//! A container's root file system: a tmpfs, the host's programs read-only, and what the pod and image add.
//!
//! The old root stays under `/.host` while mounts are made, so that links inside the container's tree
//! (`/var/run` → `/run`) lead to places in it and not to the host's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::unistd::pivot_root;

use super::{ContainerSpec, During, SetupError, etc, mounts};
use crate::environment::local::images::{ImageContent, OWN_PROGRAM};

const HOST: &str = "/.host";

/// What of the host's root every container sees: links stay links, folders are bound read-only.
pub(in crate::environment) const SYSTEM: [&str; 7] =
    ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The empty folders of a root file system, with their modes.
pub(in crate::environment) const FOLDERS: [(&str, u32); 11] = [
    ("/tmp", 0o1777),
    ("/run", 0o755),
    ("/run/lock", 0o1777),
    ("/var/tmp", 0o1777),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/root", 0o700),
    ("/home", 0o755),
    ("/proc", 0o555),
    ("/dev/shm", 0o1777),
    ("/dev/pts", 0o755),
];

struct Bind {
    source: PathBuf,
    target: PathBuf,
    read_only: bool,
}

/// Makes the tree and moves into it. Afterwards nothing of the host is reachable but what was bound.
pub(super) fn make(spec: &ContainerSpec) -> Result<(), SetupError> {
    let binds = resolve_sources(spec)?;
    mounts::keep_to_ourselves()?;
    mounts::tmpfs(&spec.root, "mode=0755")?;
    std::env::set_current_dir(&spec.root).during(|| "enter the new root".to_owned())?;
    fs::create_dir(".host").during(|| "make a place for the old root".to_owned())?;
    pivot_root(".", ".host").during(|| "change the root".to_owned())?;
    std::env::set_current_dir("/").during(|| "enter the new root".to_owned())?;

    folders(spec)?;
    system()?;
    devices()?;
    mounts::proc(Path::new("/proc"))?;
    etc::write(spec, Path::new(HOST))?;
    files(spec)?;
    for bind in &binds {
        let source = below_host(&bind.source);
        make_target(&source, &bind.target)?;
        mounts::bind(&source, &bind.target, bind.read_only)?;
    }
    umount2(HOST, MntFlags::MNT_DETACH).during(|| "let go of the old root".to_owned())?;
    fs::remove_dir(HOST).during(|| "remove the old root's place".to_owned())?;
    if spec.read_only_root {
        mounts::forbid_writing(Path::new("/"), false)?;
    }
    Ok(())
}

/// Follows the links of all sources while the host's tree is still the root; parents come before what lies in them.
fn resolve_sources(spec: &ContainerSpec) -> Result<Vec<Bind>, SetupError> {
    let mut binds = Vec::new();
    let mut add = |source: &Path, target: &Path, read_only: bool| -> Result<(), SetupError> {
        let source = fs::canonicalize(source).during(|| format!("find {}", source.display()))?;
        binds.push(Bind { source, target: target.to_owned(), read_only });
        Ok(())
    };
    add(&spec.own_program, Path::new(OWN_PROGRAM), true)?;
    add(&spec.certificates, Path::new("/etc/ssl/certs"), true)?;
    for path in spec.image.visible.iter().filter(|path| !is_system(path)) {
        add(path, path, true)?;
    }
    for mount in &spec.mounts {
        add(&mount.source, &mount.target, mount.read_only)?;
    }
    binds.sort_by_key(|bind| bind.target.components().count());
    Ok(binds)
}

/// Below one of the folders that every container sees anyway.
fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|name| path.starts_with(Path::new("/").join(name)))
}

fn below_host(path: &Path) -> PathBuf {
    Path::new(HOST).join(path.strip_prefix("/").unwrap_or(path))
}

fn make_target(source: &Path, target: &Path) -> Result<(), SetupError> {
    let what = || format!("make {}", target.display());
    if source.is_dir() {
        return fs::create_dir_all(target).during(what);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).during(what)?;
    }
    if target.exists() { Ok(()) } else { fs::write(target, "").during(what) }
}

fn folders(spec: &ContainerSpec) -> Result<(), SetupError> {
    for (folder, mode) in FOLDERS {
        make_folder(Path::new(folder), mode)?;
    }
    symlink("/run", "/var/run").during(|| "link /var/run".to_owned())?;
    for folder in spec.image.folders.iter().chain([&spec.image.home, &spec.working_dir]) {
        if folder.is_absolute() && !folder.exists() {
            make_folder(folder, 0o755)?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> Result<(), SetupError> {
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(mode)))
        .during(|| format!("make {}", folder.display()))
}

fn system() -> Result<(), SetupError> {
    for name in SYSTEM {
        let (host, here) = (Path::new(HOST).join(name), Path::new("/").join(name));
        let Ok(kind) = host.symlink_metadata() else { continue };
        if kind.is_symlink() {
            let leads_to = fs::read_link(&host).during(|| format!("read the link {}", here.display()))?;
            symlink(leads_to, &here).during(|| format!("link {}", here.display()))?;
        } else if kind.is_dir() {
            make_folder(&here, 0o755)?;
            mounts::bind(&host, &here, true)?;
        }
    }
    Ok(())
}

fn devices() -> Result<(), SetupError> {
    for name in DEVICES {
        let here = Path::new("/dev").join(name);
        fs::write(&here, "").during(|| format!("make {}", here.display()))?;
        mounts::bind(&Path::new(HOST).join("dev").join(name), &here, false)?;
    }
    rest_of_devices()
}

/// What every container has in `/dev` beside the devices; the folders are there.
pub(super) fn rest_of_devices() -> Result<(), SetupError> {
    mounts::terminals(Path::new("/dev/pts"))?;
    for (link, leads_to) in [
        ("/dev/ptmx", "pts/ptmx"),
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(leads_to, link).during(|| format!("link {link}"))?;
    }
    mounts::tmpfs(Path::new("/dev/shm"), "mode=1777")
}

fn files(spec: &ContainerSpec) -> Result<(), SetupError> {
    for file in &spec.image.files {
        let what = || format!("write {}", file.path.display());
        if let Some(parent) = file.path.parent() {
            fs::create_dir_all(parent).during(what)?;
        }
        match &file.content {
            ImageContent::Text { text, mode } => fs::write(&file.path, text)
                .and_then(|()| fs::set_permissions(&file.path, fs::Permissions::from_mode(*mode))),
            ImageContent::Symlink(leads_to) => symlink(leads_to, &file.path),
        }
        .during(what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_container_sees_is_not_bound_twice() {
        assert!(is_system(Path::new("/usr/lib/postgresql/15/bin")));
        assert!(!is_system(Path::new("/usrlocal/x")));
        assert!(!is_system(Path::new("/root/.cache/clonedrill")));
        assert_eq!(below_host(Path::new("/run/x")), Path::new("/.host/run/x"));
    }
}

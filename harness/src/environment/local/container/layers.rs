//! A container's root file system of an image's own layers: nothing of the host but what the pod mounts.
//!
//! An image is a stranger: a link in it may lead anywhere. So all that comes from outside is taken first, apart from any
//! tree; then the old root is let go of, and only then are things put to their places, by when no path leads out.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::unistd::pivot_root;

use super::mounts::Held;
use super::{ContainerSpec, During, SetupError, mounts, rootfs};
use crate::environment::local::images::Layers;

/// Makes the tree and moves into it.
pub(super) fn make(spec: &ContainerSpec, image: &Layers) -> Result<(), SetupError> {
    let mut taken = vec![(Held::take(&spec.certificates, true)?, PathBuf::from("/etc/ssl/certs"))];
    for mount in &spec.mounts {
        let source = fs::canonicalize(&mount.source).during(|| format!("find {}", mount.source.display()))?;
        taken.push((Held::take(&source, mount.read_only)?, mount.target.clone()));
    }
    // Parents come before what lies in them.
    taken.sort_by_key(|(_, target)| target.components().count());
    let devices = rootfs::DEVICES.map(|name| (name, Held::take(&Path::new("/dev").join(name), false)));

    let proc = Held::proc()?;

    mounts::keep_to_ourselves()?;
    enter(spec, image)?;

    for (folder, mode) in [("/proc", 0o555), ("/dev", 0o755), ("/sys", 0o555), ("/tmp", 0o1777)] {
        make_folder(Path::new(folder), mode)?;
    }
    proc.put(&place(Path::new("/proc"), true)?)?;
    mounts::tmpfs(&place(Path::new("/dev"), true)?, "mode=0755")?;
    for (name, device) in devices {
        let place = Path::new("/dev").join(name);
        fs::write(&place, "").during(|| format!("make {}", place.display()))?;
        device?.put(&place)?;
    }
    for folder in ["/dev/pts", "/dev/shm"] {
        fs::create_dir(folder).during(|| format!("make {folder}"))?;
    }
    rootfs::rest_of_devices()?;
    texts(spec)?;
    for (held, target) in &taken {
        held.put(&place(target, held.is_folder)?)?;
    }
    if spec.working_dir.is_absolute() && !spec.working_dir.exists() {
        make_folder(&spec.working_dir, 0o755)?;
    }
    if spec.read_only_root {
        mounts::forbid_writing(Path::new("/"), false)?;
    }
    Ok(())
}

/// The layers become the root, and the old one is gone.
fn enter(spec: &ContainerSpec, image: &Layers) -> Result<(), SetupError> {
    mounts::tmpfs(&spec.root, "mode=0755")?;
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| spec.root.join(name));
    for folder in [&upper, &work, &merged] {
        make_folder(folder, 0o755)?;
    }
    mounts::overlay(&image.folders, &upper, &work, &merged)?;
    std::env::set_current_dir(&merged).during(|| "enter the new root".to_owned())?;
    // The old root comes to lie above the new one, and is taken away there.
    pivot_root(".", ".").during(|| "change the root".to_owned())?;
    umount2(".", MntFlags::MNT_DETACH).during(|| "let go of the old root".to_owned())?;
    std::env::set_current_dir("/").during(|| "enter the new root".to_owned())
}

/// What the node writes into every container.
fn texts(spec: &ContainerSpec) -> Result<(), SetupError> {
    make_folder(Path::new("/etc"), 0o755)?;
    let hostname = format!("{}\n", spec.hostname);
    for (path, text) in
        [("/etc/hosts", &spec.hosts), ("/etc/hostname", &hostname), ("/etc/resolv.conf", &spec.resolv_conf)]
    {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).during(|| format!("replace {path}"));
            }
            _ => fs::write(path, text).during(|| format!("write {path}"))?,
        }
    }
    Ok(())
}

/// Links that lead to links that lead nowhere: more are a circle.
const MOST_LINKS: usize = 40;

/// Where a mount goes, by the links of the image, made where it is missing.
fn place(target: &Path, is_folder: bool) -> Result<PathBuf, SetupError> {
    let mut target = target.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(leads_to) if !target.exists() => {
                target = target.parent().unwrap_or(Path::new("/")).join(leads_to);
            }
            _ => break,
        }
    }
    let target = target.as_path();
    let what = || format!("make {}", target.display());
    match is_folder {
        true => fs::create_dir_all(target).during(what)?,
        false => {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).during(what)?;
            }
            if !target.exists() {
                fs::write(target, "").during(what)?;
            }
        }
    }
    fs::canonicalize(target).during(|| format!("find {}", target.display()))
}

/// What is there stays as it is, a link that leads nowhere too.
fn make_folder(folder: &Path, mode: u32) -> Result<(), SetupError> {
    use std::os::unix::fs::PermissionsExt;
    if folder.symlink_metadata().is_ok() {
        return Ok(());
    }
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(mode)))
        .during(|| format!("make {}", folder.display()))
}

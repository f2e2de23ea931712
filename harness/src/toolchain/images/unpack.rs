//! A layer's archive into a folder, as overlayfs wants it: what a layer takes away stands as overlayfs's own marks.
//!
//! Every path is resolved by the kernel with the folder for its root (`openat2`), so that no link of an archive leads out
//! of it. What no image needs and only an attack has is refused: absolute paths, `..`, device nodes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, openat2, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

/// What stands before the name of what a layer takes away (image-spec, `layer.md`).
const WHITEOUT: &[u8] = b".wh.";
/// Beside it: all that the layers below have in this folder is taken away.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names that begin so are a file system's own notes.
const NOTES: &[u8] = b".wh..wh.";
/// By which overlayfs knows such a folder, where it is mounted with `userxattr`.
const OVERLAY_OPAQUE: &str = "user.overlay.opaque";
/// Attributes that would tell overlayfs something.
const OVERLAYS_OWN: [&str; 2] = ["user.overlay.", "trusted."];
/// How an archive says what attributes a file has.
const XATTR: &str = "SCHILY.xattr.";
const BUFFER: usize = 1 << 18;

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("{0:?} is an absolute path, which no image's layer has")]
    Absolute(PathBuf),
    #[error("{0:?} leads upwards, which no image's layer has")]
    Upwards(PathBuf),
    #[error("{0:?} is a device node, which no container needs and nobody but root may make")]
    Device(PathBuf),
    #[error("{path:?} is of a kind that is not known ({kind:?})")]
    Kind { path: PathBuf, kind: u8 },
    #[error("{path:?} belongs to user {uid} and group {gid}: only those below 65536 are mapped")]
    Owner { path: PathBuf, uid: u64, gid: u64 },
    #[error("the disk is full (at {0:?})")]
    Full(PathBuf),
    #[error("{what} {path:?}: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("read it: {0}")]
    Read(io::Error),
}

/// What was found while a layer was unpacked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Somebody else than root owns something.
    pub others_own: bool,
    /// In bytes, of its files.
    pub size: u64,
}

/// Unpacks `layer` into the folder `root`, which is empty. Owners are kept where `many` says that there are many.
///
/// # Errors
/// What cannot or must not be unpacked. What has been made by then stays for the caller to remove.
pub(super) fn unpack(layer: impl Read, root: &Path, many: bool) -> Result<Found, UnpackError> {
    let opened = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.map_err(|errno| failed("open", root)(errno))?;
    let mut unpacking = Unpacking {
        root: opened,
        many,
        parent: None,
        folders: BTreeMap::new(),
        found: Found::default(),
        buffer: vec![0; BUFFER],
    };
    let mut archive = Archive::new(layer);
    for entry in archive.entries().map_err(UnpackError::Read)? {
        unpacking.entry(&mut entry.map_err(UnpackError::Read)?)?;
    }
    unpacking.finish()
}

struct Unpacking {
    root: OwnedFd,
    many: bool,
    /// Entries of one folder mostly stand together.
    parent: Option<(PathBuf, OwnedFd)>,
    /// What folders get in the end: one that must not be written to is filled first, and its time is that of its last change.
    folders: BTreeMap<PathBuf, (Mode, Timespec)>,
    found: Found,
    buffer: Vec<u8>,
}

/// What an archive says of an entry beside its content.
struct Meta {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    time: Timespec,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Unpacking {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            return Ok(());
        }
        let given = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
        let path = checked(&given)?;
        let meta = self.meta(entry, &path)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            // The root itself.
            return self.folder(Path::new(""), meta);
        };
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.take_away(folder, name, OsStr::from_bytes(hidden));
        }
        if kind.is_dir() {
            return self.folder(&path, meta);
        }
        self.make_way(folder, name, &path)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, folder, name, &path, &meta)
            }
            EntryType::Symlink => self.symlink(entry, folder, name, &path, &meta),
            EntryType::Link => self.link(entry, folder, name, &path),
            EntryType::Fifo => {
                let parent = self.parent(folder)?;
                mknodat(parent, name, FileType::Fifo, meta.mode, 0).map_err(failed("make", &path))?;
                self.own_by_name(folder, name, &path, &meta)
            }
            EntryType::Char | EntryType::Block => Err(UnpackError::Device(path)),
            other => Err(UnpackError::Kind { path, kind: other.as_byte() }),
        }
    }

    fn meta(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path) -> Result<Meta, UnpackError> {
        let header = entry.header();
        let (uid, gid) = (header.uid().map_err(UnpackError::Read)?, header.gid().map_err(UnpackError::Read)?);
        let mode = Mode::from_raw_mode(header.mode().map_err(UnpackError::Read)? & 0o7777);
        let seconds = header.mtime().map_err(UnpackError::Read)?;
        let (mut uid, mut gid) = (uid, gid);
        let mut attributes = Vec::new();
        for extension in entry.pax_extensions().map_err(UnpackError::Read)?.into_iter().flatten() {
            let extension = extension.map_err(UnpackError::Read)?;
            let Ok(key) = extension.key() else { continue };
            match key {
                // The library reads these for sizes and paths only.
                "uid" => uid = number(extension.value_bytes()).unwrap_or(uid),
                "gid" => gid = number(extension.value_bytes()).unwrap_or(gid),
                _ => {
                    let Some(name) = key.strip_prefix(XATTR) else { continue };
                    attributes.push((name.to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        let mapped = |id: u64| u32::try_from(id).ok().filter(|id| *id < 65536);
        let (Some(own), Some(group)) = (mapped(uid), mapped(gid)) else {
            return Err(UnpackError::Owner { path: path.to_owned(), uid, gid });
        };
        self.found.others_own |= own != 0;
        let time = Timespec { tv_sec: seconds.try_into().unwrap_or_default(), tv_nsec: 0 };
        Ok(Meta { uid: Uid::from_raw(own), gid: Gid::from_raw(group), mode, time, attributes })
    }

    fn folder(&mut self, path: &Path, meta: Meta) -> Result<(), UnpackError> {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            let parent = self.parent(folder)?;
            match mkdirat(parent, name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) if is_folder(parent, name) => {}
                Err(Errno::EXIST) => {
                    self.make_way(folder, name, path)?;
                    let parent = self.parent(folder)?;
                    mkdirat(parent, name, Mode::RWXU).map_err(failed("make", path))?;
                }
                Err(errno) => return Err(failed("make", path)(errno)),
            }
        }
        let opened = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
        if self.many {
            fchown(&opened, Some(meta.uid), Some(meta.gid)).map_err(failed("give away", path))?;
        }
        self.attributes(opened.as_fd(), &meta, path)?;
        self.folders.insert(path.to_owned(), (meta.mode, meta.time));
        Ok(())
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        folder: &Path,
        name: &OsStr,
        path: &Path,
        meta: &Meta,
    ) -> Result<(), UnpackError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.parent(folder)?;
        let opened = rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(failed("make", path))?);
        loop {
            let read = match entry.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::Read(error)),
            };
            file.write_all(&self.buffer[..read]).map_err(|source| written("write", path, source))?;
            self.found.size += read as u64;
        }
        if self.many {
            fchown(&file, Some(meta.uid), Some(meta.gid)).map_err(failed("give away", path))?;
        }
        self.attributes(file.as_fd(), meta, path)?;
        // After its owner, whose change takes setuid away.
        fchmod(&file, meta.mode).map_err(failed("set the mode of", path))?;
        futimens(&file, &times(meta.time)).map_err(failed("set the time of", path))
    }

    fn symlink(
        &mut self,
        entry: &Entry<'_, impl Read>,
        folder: &Path,
        name: &OsStr,
        path: &Path,
        meta: &Meta,
    ) -> Result<(), UnpackError> {
        let leads_to = entry.link_name_bytes().unwrap_or_default();
        let parent = self.parent(folder)?;
        symlinkat(OsStr::from_bytes(&leads_to), parent, name).map_err(failed("link", path))?;
        self.own_by_name(folder, name, path, meta)
    }

    /// To a file of the same layer: what the archive calls it is looked for from the root, whatever it begins with.
    fn link(
        &mut self,
        entry: &Entry<'_, impl Read>,
        folder: &Path,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), UnpackError> {
        let leads_to = entry.link_name_bytes().unwrap_or_default();
        let leads_to = PathBuf::from(OsString::from_vec(leads_to.into_owned()));
        let inside = checked(leads_to.strip_prefix("/").unwrap_or(&leads_to))?;
        let beside = inside.parent().unwrap_or(Path::new(""));
        let from = self.open(beside, OFlags::PATH | OFlags::DIRECTORY)?;
        let parent = self.parent(folder)?;
        let file = inside.file_name().unwrap_or_default();
        linkat(from, file, parent, name, AtFlags::empty()).map_err(failed("link", path))
    }

    fn take_away(&mut self, folder: &Path, name: &OsStr, hidden: &OsStr) -> Result<(), UnpackError> {
        let path = folder.join(name);
        if name.as_bytes() == OPAQUE {
            self.parent(folder)?;
            let opened = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
            return fsetxattr(opened, OVERLAY_OPAQUE, b"y", XattrFlags::empty())
                .map_err(failed("mark", folder));
        }
        if name.as_bytes().starts_with(NOTES) {
            return Ok(());
        }
        // The name alone: `.wh...` would take away the folder above.
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(UnpackError::Upwards(path));
        }
        self.make_way(folder, hidden, &path)?;
        let parent = self.parent(folder)?;
        // A character device 0:0, which the kernel lets everybody make since it opens nothing.
        mknodat(parent, hidden, FileType::CharacterDevice, Mode::empty(), 0).map_err(failed("mark", &path))
    }

    fn own_by_name(
        &mut self,
        folder: &Path,
        name: &OsStr,
        path: &Path,
        meta: &Meta,
    ) -> Result<(), UnpackError> {
        let many = self.many;
        let parent = self.parent(folder)?;
        if many {
            chownat(parent, name, Some(meta.uid), Some(meta.gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed("give away", path))?;
        }
        utimensat(parent, name, &times(meta.time), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("set the time of", path))
    }

    fn attributes(
        &self,
        file: rustix::fd::BorrowedFd<'_>,
        meta: &Meta,
        path: &Path,
    ) -> Result<(), UnpackError> {
        for (name, value) in &meta.attributes {
            let own = OVERLAYS_OWN.iter().any(|prefix| name.starts_with(prefix));
            // Capabilities mean something where there is more than one user only, and others are for other machines' modules.
            let wanted = name.starts_with("user.") || (self.many && name == "security.capability");
            if own || !wanted {
                continue;
            }
            fsetxattr(file, name.as_str(), value, XattrFlags::empty())
                .map_err(failed("set an attribute of", path))?;
        }
        Ok(())
    }

    /// Removes what an earlier entry of this archive has put there.
    fn make_way(&mut self, folder: &Path, name: &OsStr, path: &Path) -> Result<(), UnpackError> {
        let parent = self.parent(folder)?;
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(errno) => return Err(failed("replace", path)(errno)),
        }
        self.parent = None;
        self.folders.retain(|folder, _| !folder.starts_with(path));
        let parent = self.parent(folder)?;
        empty(parent, name).map_err(|source| written("replace", path, source))
    }

    /// Opened by the kernel with the root of the layer for the root of all.
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, UnpackError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), how).map_err(failed("open", path))
    }

    /// The folder that an entry lies in, made where the archive has not named it.
    fn parent(&mut self, path: &Path) -> Result<&OwnedFd, UnpackError> {
        if self.parent.as_ref().is_none_or(|(is, _)| is != path) {
            let opened = match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
                Err(UnpackError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    self.make_folders(path)?;
                    self.open(path, OFlags::PATH | OFlags::DIRECTORY)?
                }
                opened => opened?,
            };
            self.parent = Some((path.to_owned(), opened));
        }
        match &self.parent {
            Some((_, parent)) => Ok(parent),
            // It was put there a line above.
            None => Err(UnpackError::Read(io::Error::other("no folder"))),
        }
    }

    fn make_folders(&self, path: &Path) -> Result<(), UnpackError> {
        let mut above = PathBuf::new();
        for part in path.components() {
            let parent = self.open(&above, OFlags::PATH | OFlags::DIRECTORY)?;
            match mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed("make", path)(errno)),
            }
            above.push(part);
        }
        Ok(())
    }

    fn finish(self) -> Result<Found, UnpackError> {
        // What lies deeper comes first.
        for (path, (mode, time)) in self.folders.iter().rev() {
            let folder = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            fchmod(&folder, *mode).map_err(failed("set the mode of", path))?;
            futimens(&folder, &times(*time)).map_err(failed("set the time of", path))?;
        }
        Ok(self.found)
    }
}

/// A path below the root, without `.`.
fn checked(path: &Path) -> Result<PathBuf, UnpackError> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(UnpackError::Upwards(path.to_owned())),
            Component::RootDir | Component::Prefix(_) => return Err(UnpackError::Absolute(path.to_owned())),
        }
    }
    Ok(inside)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn times(time: Timespec) -> Timestamps {
    Timestamps { last_access: time, last_modification: time }
}

fn is_folder(parent: &OwnedFd, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_dir())
}

/// Removes a folder of the layer with all that is in it, following no link.
fn empty(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let inner = OsStr::from_bytes(entry.file_name().to_bytes());
        if inner == "." || inner == ".." {
            continue;
        }
        if is_folder(&folder, inner) {
            empty(&folder, inner)?;
        } else {
            unlinkat(&folder, inner, AtFlags::empty())?;
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(Errno) -> UnpackError {
    let path = path.to_owned();
    move |errno| written(what, &path, errno.into())
}

fn written(what: &'static str, path: &Path, source: io::Error) -> UnpackError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => UnpackError::Full(path.to_owned()),
        _ => UnpackError::File { what, path: path.to_owned(), source },
    }
}

//! The cache of unpacked layers: each in a folder of its own, by the digest of its content, whole or not there.
//!
//! `<cache>/images/<users>/layers/<digest>/root` is a layer, `layer.json` beside it what was found in it. It is made below
//! `making` and renamed; whoever makes one holds its lock, so that what a killed process has left is known by a lock that
//! nobody holds.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layer::{Layer, LayerError, unpack_layer};

const NOTE: &str = "layer.json";
/// Paths of layers stand in one mount option of 4096 bytes.
const NAME: usize = 32;

/// What is known of a layer that is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Note {
    pub content: String,
    /// Somebody else than root owns something in it.
    pub others_own: bool,
    /// In bytes.
    pub size: u64,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum CachedError {
    #[error("{what} {path:?}: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl CachedError {
    fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CachedError {
        let path = path.to_owned();
        move |source| CachedError::File { what, path, source }
    }
}

/// The layers that were unpacked for the same users.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    folder: PathBuf,
}

impl Layers {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Layers { folder: folder.to_owned() }
    }

    /// Where a layer's files are, once it is there.
    pub(super) fn root(&self, content: &str) -> PathBuf {
        self.place(content).join("root")
    }

    pub(super) fn note(&self, content: &str) -> Option<Note> {
        let note: Note = serde_json::from_slice(&fs::read(self.place(content).join(NOTE)).ok()?).ok()?;
        (note.content == content).then_some(note)
    }

    /// Makes sure that the layer is there. `waits` hears of somebody else who makes it, `told` how many bytes were read.
    pub(super) fn fill(
        &self,
        layer: &Layer,
        many: bool,
        waits: impl FnOnce(),
        told: impl Fn(u64) + Send,
    ) -> Result<Note, CachedError> {
        self.sweep()?;
        let name = name(&layer.content);
        let _held = self.lock(&name, waits)?;
        if let Some(note) = self.note(&layer.content) {
            return Ok(note);
        }
        let making = self.folder.join("making").join(&name);
        remove(&making)?;
        let made = self.make(layer, &making, many, told);
        if made.is_err() {
            // The error that is being told matters more than a leftover, which the next run sweeps.
            let _ = remove(&making);
        }
        made
    }

    fn make(
        &self,
        layer: &Layer,
        making: &Path,
        many: bool,
        told: impl Fn(u64) + Send,
    ) -> Result<Note, CachedError> {
        let root = making.join("root");
        make_folder(&root)?;
        let found = unpack_layer(layer, &root, many, told)?;
        let note = Note { content: layer.content.clone(), others_own: found.others_own, size: found.size };
        let path = making.join(NOTE);
        let text =
            serde_json::to_vec(&note).map_err(|error| CachedError::of("write", &path)(error.into()))?;
        fs::write(&path, text).map_err(CachedError::of("write", &path))?;
        let place = self.place(&layer.content);
        // One without a note is none.
        remove(&place)?;
        make_folder(&self.folder.join("layers"))?;
        fs::rename(making, &place).map_err(CachedError::of("rename into place", &place))?;
        Ok(note)
    }

    /// Removes what killed processes have left half made.
    pub(super) fn sweep(&self) -> Result<(), CachedError> {
        for path in entries(&self.folder.join("making"))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let file = self.lock_file(name)?;
            if file.try_lock().is_ok() {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes all layers but these; what they took, in bytes.
    pub(super) fn prune(&self, keep: &BTreeSet<String>) -> Result<u64, CachedError> {
        self.sweep()?;
        let keep: BTreeSet<String> = keep.iter().map(|content| name(content)).collect();
        let mut freed = 0;
        for path in entries(&self.folder.join("layers"))? {
            let Some(found) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if keep.contains(found) {
                continue;
            }
            let _held = self.lock(found, || {})?;
            let note = fs::read(path.join(NOTE)).ok();
            let note = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok());
            freed += note.map_or(0, |note| note.size);
            // Without its note it is no layer, however far the removal comes.
            let _ = fs::remove_file(path.join(NOTE));
            remove(&path)?;
        }
        Ok(freed)
    }

    fn place(&self, content: &str) -> PathBuf {
        self.folder.join("layers").join(name(content))
    }

    fn lock_file(&self, name: &str) -> Result<File, CachedError> {
        let folder = self.folder.join("locks");
        make_folder(&folder)?;
        let path = folder.join(name);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        opened.map_err(CachedError::of("open", &path))
    }

    /// Freed when this process ends, however that happens.
    fn lock(&self, name: &str, waits: impl FnOnce()) -> Result<File, CachedError> {
        let file = self.lock_file(name)?;
        let path = self.folder.join("locks").join(name);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waits();
                file.lock().map_err(CachedError::of("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(CachedError::of("lock", &path)(error)),
        }
        Ok(file)
    }
}

fn name(content: &str) -> String {
    content.trim_start_matches("sha256:").chars().take(NAME).collect()
}

/// For this user alone: what is in it may have the setuid bit.
pub(super) fn make_folder(path: &Path) -> Result<(), CachedError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(CachedError::of("make", path))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CachedError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(CachedError::of("list", folder))?,
    };
    let paths: Result<Vec<PathBuf>, _> = listed.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(CachedError::of("list", folder))
}

/// Also what its owner may not write to, which only this user's own process sees to be so.
fn remove(path: &Path) -> Result<(), CachedError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path).and_then(|()| fs::remove_dir_all(path)).map_err(CachedError::of("remove", path))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CachedError::of("remove", path)(error)),
        _ => Ok(()),
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

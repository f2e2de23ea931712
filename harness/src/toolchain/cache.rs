//! The cache: one folder a part, version and recipe; made beside its place and renamed into it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{self, FcntlArg, FdFlag};
use serde::{Deserialize, Serialize};

use super::error::MakeError;
use super::progress::PartProgress;
use crate::poll::{Limit, PollError, Seen, poll};

/// Written last, so a folder without it is no part.
const MANIFEST: &str = "part.json";

/// More than all that one part's builds may take (`LIMIT` in `go.rs`): a holder beyond that hangs.
const HELD_AT_MOST: Limit = Limit::seconds(100 * 60);

/// Where programs are kept between runs.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

/// What was made, as it stands in the part's folder.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Where it came from, for people.
    pub from: String,
    /// Files outside the cache without which it no longer works, such as Python's own program.
    #[serde(default)]
    pub needs: Vec<PathBuf>,
    /// Folders outside the cache that pods must see with it.
    #[serde(default)]
    pub visible: Vec<PathBuf>,
    /// Facts that only the making knew, such as a version that was found.
    #[serde(default)]
    pub version: Option<String>,
}

/// The place of one part.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub folder: PathBuf,
    making: PathBuf,
    lock: PathBuf,
    /// Whether what stands in the folder can be used; for a part that may stop working when the system changes.
    works: Option<fn(&Path) -> bool>,
}

impl Cache {
    pub(super) fn new(root: PathBuf) -> Self {
        Cache { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The place of `part` in `version`, made by the recipe with this digest (eight hex digits).
    pub(super) fn slot(&self, part: &str, version: &str, digest: &str) -> Slot {
        let key = format!("{version}-{digest}");
        Slot {
            folder: self.root.join(part).join(&key),
            making: self.root.join("making").join(part).join(&key),
            lock: self.root.join("locks").join(format!("{part}-{version}")),
            works: None,
        }
    }
}

impl Manifest {
    /// That of the part in this folder.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn of(folder: &Path) -> Result<Self, MakeError> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).map_err(MakeError::io("read", &path))?;
        serde_json::from_slice(&text)
            .map_err(|error| MakeError::Result(format!("{}: {error}", path.display())))
    }
}

impl Slot {
    /// One whose part is made anew where `works` says no.
    #[must_use]
    pub(super) fn that_works(self, works: fn(&Path) -> bool) -> Self {
        Slot { works: Some(works), ..self }
    }

    /// The part's manifest, where it is there and still works.
    pub(super) fn read(&self) -> Option<Manifest> {
        let manifest = Manifest::of(&self.folder).ok()?;
        let works = self.works.is_none_or(|works| works(&self.folder));
        (works && manifest.needs.iter().all(|path| path.exists())).then_some(manifest)
    }

    /// Makes the part with `make`, unless another process has done so by the time the lock is held.
    ///
    /// `make` fills an empty folder, which takes its place in one rename: whoever is killed before leaves nothing
    /// that looks like a part, and the next holder of the lock sweeps it.
    ///
    /// # Errors
    /// Those of `make`, or of the file system.
    pub(super) fn fill(
        &self,
        progress: &dyn PartProgress,
        make: impl FnOnce(&Path) -> Result<Manifest, MakeError>,
    ) -> Result<Manifest, MakeError> {
        let _held = self.lock(progress, HELD_AT_MOST)?;
        if let Some(manifest) = self.read() {
            return Ok(manifest);
        }
        self.sweep()?;
        fs::create_dir_all(&self.making).map_err(MakeError::io("create", &self.making))?;
        let made = make(&self.making).and_then(|manifest| {
            let text =
                serde_json::to_vec_pretty(&manifest).map_err(|error| MakeError::Result(error.to_string()))?;
            let path = self.making.join(MANIFEST);
            fs::write(&path, text).map_err(MakeError::io("write", path))?;
            self.place()?;
            Ok(manifest)
        });
        if made.is_err() {
            // The error that is being reported matters more than a leftover, which the next run sweeps.
            let _ = self.sweep();
        }
        made
    }

    fn place(&self) -> Result<(), MakeError> {
        // A part that no longer works (its Python was removed) stands in the way.
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(MakeError::io("remove", &self.folder))?;
        }
        if let Some(parent) = self.folder.parent() {
            fs::create_dir_all(parent).map_err(MakeError::io("create", parent))?;
        }
        fs::rename(&self.making, &self.folder).map_err(MakeError::io("rename into place", &self.folder))
    }

    fn sweep(&self) -> Result<(), MakeError> {
        match fs::remove_dir_all(&self.making) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(MakeError::io("remove", &self.making)(error))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self, progress: &dyn PartProgress, limit: Limit) -> Result<Held, MakeError> {
        if let Some(parent) = self.lock.parent() {
            fs::create_dir_all(parent).map_err(MakeError::io("create", parent))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(MakeError::io("open", &self.lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(MakeError::io("read", &self.lock))?;
                let holder = format!("process {} (or what it left running), which makes it", holder.trim());
                progress.waits(&holder);
                self.wait_for(&file, &holder, progress, limit)?;
            }
            Err(TryLockError::Error(error)) => return Err(MakeError::io("lock", &self.lock)(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(MakeError::io("write", &self.lock))?;
        let inherit = fcntl::fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()));
        inherit.map_err(|errno| MakeError::io("share", &self.lock)(errno.into()))?;
        Ok(Held(file))
    }

    /// Its death frees the lock, too.
    fn wait_for(
        &self,
        file: &File,
        holder: &str,
        progress: &dyn PartProgress,
        limit: Limit,
    ) -> Result<(), MakeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(MakeError::io("wait for", &self.lock))?;
        let freed = runtime.block_on(poll(holder, limit, async || match file.try_lock() {
            _ if progress.stopped() => Err(MakeError::Interrupted),
            Ok(()) => Ok(Seen::Done(())),
            Err(TryLockError::WouldBlock) => Ok(Seen::NotYet(format!("{} is locked", self.lock.display()))),
            Err(TryLockError::Error(error)) => Err(MakeError::io("lock", &self.lock)(error)),
        }));
        freed.map_err(|error| match error {
            PollError::TimedOut(late) => late.into(),
            PollError::Failed(error) => error,
        })
    }
}

/// A lock that builds inherit: after this process was killed it is held until the last of them has ended, so
/// that nobody writes into a folder that is being swept.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Frees it for builds that inherited it as well; closing the file alone would not.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::progress::Silent;
    use super::*;

    fn slot(root: &Path) -> Slot {
        Cache::new(root.to_owned()).slot("thing", "1.0", "abcd0123")
    }

    fn made(folder: &Path) -> Result<Manifest, MakeError> {
        fs::write(folder.join("program"), "x").unwrap();
        Ok(Manifest::default())
    }

    #[test]
    fn two_at_once_make_a_part_once() {
        let root = tempfile::tempdir().unwrap();
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    slot(root.path())
                        .fill(&Silent, |folder| {
                            count.fetch_add(1, Ordering::SeqCst);
                            made(folder)
                        })
                        .unwrap();
                });
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(slot(root.path()).folder.join("program").exists());
    }

    #[test]
    fn a_part_that_was_left_half_made_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path());
        fs::create_dir_all(&slot.making).unwrap();
        fs::write(slot.making.join("half"), "").unwrap();
        assert!(slot.read().is_none());
        slot.fill(&Silent, made).unwrap();
        assert!(slot.read().is_some());
        assert!(!slot.folder.join("half").exists());
    }

    #[test]
    fn the_lock_outlives_neither_the_making_nor_its_builds() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path());
        let held = slot.lock(&Silent, HELD_AT_MOST).unwrap();
        let mut build = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = || File::open(&slot.lock).unwrap().try_lock().is_ok();
        // As if this process was killed: its file is closed, and nothing unlocks it.
        // SAFETY: the descriptor is open, and its owner is forgotten below.
        drop(unsafe { File::from_raw_fd(held.0.as_raw_fd()) });
        std::mem::forget(held);
        assert!(!other());
        build.kill().unwrap();
        build.wait().unwrap();
        // Children of other tests may have inherited it for a moment.
        File::open(&slot.lock).unwrap().lock().unwrap();
    }

    #[test]
    fn a_lock_that_is_never_freed_names_its_holder() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path());
        let _held = slot.lock(&Silent, HELD_AT_MOST).unwrap();
        let error = slot.lock(&Silent, Limit::seconds(0)).err().unwrap().to_string();
        let holder = format!("process {} ", std::process::id());
        assert!(error.contains(&holder) && error.contains("locks/thing-1.0"), "{error}");
    }

    #[test]
    fn a_part_that_no_longer_works_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path()).that_works(|folder| folder.join("library").exists());
        let complete = |folder: &Path| {
            fs::write(folder.join("library"), "").unwrap();
            made(folder)
        };
        slot.fill(&Silent, complete).unwrap();
        assert!(slot.read().is_some());
        fs::remove_file(slot.folder.join("library")).unwrap();
        assert!(slot.read().is_none());
        slot.fill(&Silent, complete).unwrap();
        assert!(slot.read().is_some());
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path());
        slot.fill(&Silent, |folder| {
            made(folder).unwrap();
            Err(MakeError::Result("no".to_owned()))
        })
        .unwrap_err();
        assert!(slot.read().is_none());
        assert!(!slot.making.exists());
    }

    #[test]
    fn a_part_whose_needs_are_gone_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let slot = slot(root.path());
        let python = root.path().join("python3");
        fs::write(&python, "").unwrap();
        let needs = || Manifest { needs: vec![python.clone()], ..Manifest::default() };
        slot.fill(&Silent, |_| Ok(needs())).unwrap();
        assert!(slot.read().is_some());
        fs::remove_file(&python).unwrap();
        assert!(slot.read().is_none());
        slot.fill(&Silent, made).unwrap();
        assert!(slot.read().is_some());
    }
}

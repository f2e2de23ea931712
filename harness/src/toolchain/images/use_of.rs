//! Which unpacked images are used: by what runs now, and by what a person has given at some time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::super::tools::UnpackedImage;
use super::error::ImagesError;
use super::layer::digest_of;

const IN_USE: &str = "in-use";
const RECORDS: &str = "images";

static HELD: OnceLock<File> = OnceLock::new();

/// From now on, to this process's end, nobody removes images of this folder.
///
/// # Errors
/// When the folder cannot be written to.
pub fn hold(images: &Path) -> Result<(), ImagesError> {
    if HELD.get().is_none() {
        let file = open(images)?;
        file.lock_shared().map_err(ImagesError::file("lock", images))?;
        let _ = HELD.set(file);
    }
    Ok(())
}

/// Nobody but this process uses images for as long as it has this.
pub(super) fn alone(images: &Path) -> Result<File, ImagesError> {
    let file = open(images)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ImagesError::InUse),
        Err(TryLockError::Error(error)) => Err(ImagesError::file("lock", images)(error)),
    }
}

fn open(images: &Path) -> Result<File, ImagesError> {
    let path = images.join(IN_USE);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    opened.map_err(ImagesError::file("open", path))
}

/// What a person gave, and what was unpacked for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    given: String,
    pub contents: Vec<String>,
    pub image: UnpackedImage,
}

impl Record {
    pub(super) fn write<'c>(
        folder: &Path,
        given: &str,
        image: &UnpackedImage,
        contents: impl Iterator<Item = &'c String>,
    ) -> Result<(), ImagesError> {
        let records = folder.join(RECORDS);
        fs::create_dir_all(&records).map_err(ImagesError::file("make", &records))?;
        let contents = contents.cloned().collect();
        let record = Record { given: given.to_owned(), contents, image: image.clone() };
        let path = records.join(digest_of(given.as_bytes()).replace("sha256:", ""));
        let text =
            serde_json::to_vec(&record).map_err(|error| ImagesError::file("write", &path)(error.into()))?;
        // Whole or not there, for whoever reads it meanwhile.
        let mut file =
            tempfile::NamedTempFile::new_in(&records).map_err(ImagesError::file("write", &path))?;
        std::io::Write::write_all(&mut file, &text).map_err(ImagesError::file("write", &path))?;
        file.persist(&path).map_err(|error| ImagesError::file("write", &path)(error.error))?;
        Ok(())
    }

    /// All that can be read.
    pub(super) fn all(folder: &Path) -> Vec<Record> {
        let entries = fs::read_dir(folder.join(RECORDS)).into_iter().flatten().flatten();
        let texts = entries.filter_map(|entry| fs::read(entry.path()).ok());
        texts.filter_map(|text| serde_json::from_slice(&text).ok()).collect()
    }

    pub(super) fn forget(folder: &Path) {
        let records: PathBuf = folder.join(RECORDS);
        let _ = fs::remove_dir_all(records);
    }

    /// Whether it was made for what a person gives here; of a path, whichever of its images.
    pub(super) fn is_of(&self, given: &str) -> bool {
        self.given == given
            || self.given.starts_with(&format!("{given}#"))
            || self.given.starts_with(&format!("{given}:"))
    }
}

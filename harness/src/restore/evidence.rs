//! The folder that a restore drill leaves for people to look into. Free of secrets: whatever is written goes through `hide`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::RestoreError;
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;

/// Where files go, and what must not be in them.
pub(super) struct Evidence {
    folder: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    secrets: Vec<Secret>,
    /// Of all of them: what it searches for is compiled once.
    redactor: Redactor,
}

impl Evidence {
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn in_folder(folder: &Path) -> Result<Self, RestoreError> {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|source| RestoreError::Evidence { path: folder.to_owned(), source })?;
        Ok(Evidence { folder: folder.to_owned(), known: Mutex::default() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing shows it.
    pub(super) fn learn(&self, secret: Secret) {
        let mut known = self.known();
        if !known.secrets.contains(&secret) {
            known.redactor = std::mem::take(&mut known.redactor).literal(&secret);
            known.secrets.push(secret);
        }
    }

    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.known().secrets.clone()
    }

    /// The text with every secret that is known by now as its fingerprint.
    pub(super) fn hide(&self, text: &str) -> String {
        self.known().redactor.hide(text)
    }

    /// # Errors
    /// When the file cannot be written.
    pub(super) fn text(&self, name: &str, text: &str) -> Result<(), RestoreError> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, self.hide(text)));
        written.map_err(|source| RestoreError::Evidence { path, source })
    }
}

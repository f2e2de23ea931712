//! This very program, as images have it.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::ImagesError;

/// A build for debugging is half symbols, and is copied into each node of the cluster.
const LARGE: u64 = 100_000_000;

pub(super) struct OwnProgram {
    path: PathBuf,
    /// The SHA-256 of what is running, in hex.
    pub digest: String,
    stripped: OnceCell<Option<TempPath>>,
}

impl OwnProgram {
    pub(super) fn find() -> Result<Self, ImagesError> {
        let path = std::env::current_exe().map_err(ImagesError::read("/proc/self/exe"))?;
        let mut digest = Sha256::new();
        File::open(&path)
            .and_then(|mut file| io::copy(&mut file, &mut digest))
            .map_err(ImagesError::read(&path))?;
        Ok(OwnProgram { path, digest: hex(&digest.finalize()), stripped: OnceCell::new() })
    }

    /// The file to put into an image: a copy without symbols, where it is large and the machine can make one.
    pub(super) fn file(&self) -> &Path {
        let stripped = self.stripped.get_or_init(|| {
            let large = self.path.metadata().is_ok_and(|meta| meta.len() > LARGE);
            if large { strip(&self.path).ok().flatten() } else { None }
        });
        stripped.as_deref().unwrap_or(&self.path)
    }
}

fn strip(program: &Path) -> io::Result<Option<TempPath>> {
    let copy = tempfile::NamedTempFile::new()?.into_temp_path();
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&copy).arg(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(strip.status()?.success().then_some(copy))
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The file for node_exporter's textfile collector, replaced in one step. One file belongs to one drill.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Told;
use super::metrics::{LAST_SUCCESS, Labels, Metrics};

/// The metrics file was not written; the one before is there as it was.
#[derive(Debug, thiserror::Error)]
pub enum MetricsFileError {
    /// The file of an earlier run is there and cannot be read, so the last success would be lost.
    #[error("read {}, which says when the drill last passed: {source}", .path.display())]
    Before {
        /// As `tell.metrics_file` gives it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file beside it could not be written, or not take its place.
    #[error("replace {}: {source}", .path.display())]
    Write {
        /// As `tell.metrics_file` gives it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The metrics could not be written as text.
    #[error("lay them out: {0}")]
    Layout(#[from] std::fmt::Error),
}

/// # Errors
/// When the file that is there cannot be read, or not be replaced.
pub(super) fn write(path: &Path, told: Told<'_>) -> Result<(), MetricsFileError> {
    let before = match std::fs::read_to_string(path) {
        Ok(text) => last_success(&text, &Labels::of(told)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(MetricsFileError::Before { path: path.to_owned(), source }),
    };
    let text = Metrics::of(told, before).open_metrics()?;
    replace(path, &text).map_err(|source| MetricsFileError::Write { path: path.to_owned(), source })
}

/// Whether [`write`] would be able to, as far as that can be known: it writes a file beside and takes it away.
///
/// # Errors
/// What keeps it from being written.
pub(super) fn can_be_written(path: &Path) -> Result<(), MetricsFileError> {
    match std::fs::read_to_string(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(MetricsFileError::Before { path: path.to_owned(), source }),
    }
    let beside = beside(path).map_err(|source| MetricsFileError::Write { path: path.to_owned(), source })?;
    drop(beside);
    Ok(())
}

/// The collector reads names that end in `.prom` only, so that it never sees the file beside.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".clonedrill-").suffix(".new").tempfile_in(folder)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = beside(path)?;
    beside.write_all(text.as_bytes())?;
    // Somebody else reads it: the collector has a user of its own.
    beside.as_file().set_permissions(Permissions::from_mode(0o644))?;
    beside.as_file().sync_all()?;
    beside.persist(path).map(drop).map_err(|error| error.error)
}

/// The time that this drill's own line holds, in what was written by a run before.
fn last_success(text: &str, labels: &Labels) -> Option<f64> {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let Labels { namespace, cluster, drill } = labels;
    let labels = [("namespace", namespace), ("cluster", cluster), ("drill", drill)];
    let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).join(",");
    let series = format!("{LAST_SUCCESS}{{{labels}}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series))?;
    value.trim().parse().ok().filter(|time: &f64| time.is_finite())
}

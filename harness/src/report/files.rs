//! What a run leaves beside its drills' evidence: a page for people, and the same for machines.

use std::path::{Path, PathBuf};

use super::{DrillReport, HtmlError, JsonError, JunitError, html, json, junit};
use crate::exit::Verdict;

/// A file that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The page for people.
    #[error(transparent)]
    Html(#[from] HtmlError),
    /// The result for machines.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The JUnit file for CI.
    #[error(transparent)]
    Junit(#[from] JunitError),
}

/// Writes `report.html`, `result.json` and `junit.xml` into a folder; gives the page's path.
///
/// # Errors
/// When one of them cannot be written.
pub fn write(folder: &Path, reports: &[DrillReport], verdict: Verdict) -> Result<PathBuf, FilesError> {
    let page = folder.join("report.html");
    html::write(&page, reports)?;
    json::write(&folder.join("result.json"), reports, verdict)?;
    junit::write(&folder.join("junit.xml"), reports)?;
    Ok(page)
}

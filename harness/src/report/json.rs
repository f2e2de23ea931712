//! The whole run as one JSON document.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DrillReport;
use crate::exit::Verdict;

#[derive(Serialize)]
struct Run<'r> {
    verdict: Verdict,
    exit_code: u8,
    drills: &'r [DrillReport],
    /// Why nothing was run.
    errors: &'r [RunError],
}

/// One reason why nothing was run, with its place where a file is at fault.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunError {
    /// What is wrong, in one line.
    pub message: String,
    /// What a person can do about it; none where there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Of a diagnostic, such as `clonedrill::scenario::unknown_field`; none for other errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The file at fault, as the user named it; none where no file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Line and column, both from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// None without a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// A result that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the result {}: {source}", .path.display())]
pub struct JsonError {
    path: PathBuf,
    source: std::io::Error,
}

/// Writes the same document that `--format json` prints; missing folders are made.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: &Path, drills: &[DrillReport], verdict: Verdict) -> Result<(), JsonError> {
    let fail = |source| JsonError { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let text = render(verdict, drills, &[]).map_err(|error| fail(error.into()))?;
    std::fs::write(path, text).map_err(fail)
}

/// # Errors
/// None that can happen: reports hold texts and numbers only.
pub(super) fn render(
    verdict: Verdict,
    drills: &[DrillReport],
    errors: &[RunError],
) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Run { verdict, exit_code: verdict.code(), drills, errors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn machines_find_verdicts_and_findings() {
        let document: serde_json::Value = serde_json::from_str(
            &render(Verdict::Failed, &[samples::passed(), samples::failed()], &[]).unwrap(),
        )
        .unwrap();
        assert_eq!(document["verdict"], "failed");
        assert_eq!(document["exit_code"], 1);
        assert_eq!(document["drills"][1]["findings"][0]["subject"], "clone: data");
        let again: DrillReport = serde_json::from_value(document["drills"][1].clone()).unwrap();
        assert_eq!(again.scenario, samples::failed().scenario);
    }

    #[test]
    fn machines_find_what_a_restore_measured_and_proved() {
        let report = samples::not_restored();
        let text = render(Verdict::Failed, std::slice::from_ref(&report), &[]).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let restore = &document["drills"][0]["restore"];
        assert_eq!(restore["rto"]["milliseconds"], 2_293_400);
        assert_eq!(restore["phases"][2]["phase"], "fetch");
        assert_eq!(restore["proofs"][3]["holds"], false);
        let again: DrillReport = serde_json::from_value(document["drills"][0].clone()).unwrap();
        assert_eq!(again.restore.unwrap().proofs, report.restore.unwrap().proofs);
        let without = serde_json::to_value(samples::passed()).unwrap();
        assert!(without.get("restore").is_none());
    }
}

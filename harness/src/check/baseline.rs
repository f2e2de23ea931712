//! The findings that a repository had when somebody began to check it: told, and not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Checked;

/// What was printed with `--format json` once.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// How often each was found, by code and cluster.
    known: BTreeMap<(String, String), usize>,
    file: PathBuf,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not there, or not to be read as text.
    #[error("read the baseline {path}: {source}", path = .path.display())]
    Read {
        /// As `--baseline` gives it.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is not what `clonedrill check --format json` printed.
    #[error("understand the baseline {path}: {source}", path = .path.display())]
    Form {
        /// As `--baseline` gives it.
        path: PathBuf,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Report {
    findings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    code: String,
    #[serde(default)]
    cluster: Option<String>,
}

impl Baseline {
    /// Reads what `clonedrill check --format json` printed.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| BaselineError::Read { path: path.to_owned(), source })?;
        let report: Report = serde_json::from_str(&text)
            .map_err(|source| BaselineError::Form { path: path.to_owned(), source })?;
        let mut known = BTreeMap::new();
        for Known { code, cluster } in report.findings {
            *known.entry((code, cluster.unwrap_or_default())).or_default() += 1;
        }
        Ok(Baseline { known, file: path.to_owned() })
    }

    /// Marks what was there already; how many of the baseline are gone.
    pub fn apply(&self, checked: &mut Checked) -> usize {
        let mut left = self.known.clone();
        for finding in &mut checked.findings {
            let key = (finding.definition.code.to_owned(), finding.cluster.clone());
            if let Some(count) = left.get_mut(&key).filter(|count| **count > 0) {
                *count -= 1;
                finding.known = true;
            }
        }
        left.values().sum()
    }

    /// The file that it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

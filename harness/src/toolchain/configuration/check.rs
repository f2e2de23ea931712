//! What a team holds its manifests to: the section `check` of `clonedrill.yaml`.

use std::path::PathBuf;

use serde::Deserialize;

use super::convention::Convention;

/// The section `check`, each key with a default that suits most.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckSettings {
    /// What `WALG_AZ_PREFIX` looks like.
    pub prefix: Convention,
    /// How long a backup is kept, such as `30d`. Without it, what Spilo keeps: `BACKUP_NUM_TO_RETAIN` and `BACKUP_SCHEDULE`.
    pub retention: Option<Retention>,
    /// The nodes have an identity of their own that opens the storage accounts: no credential is needed.
    pub managed_identity: bool,
    /// The operator's configuration, with what it names beside it, for input that has none. From the file's own folder.
    pub operator_configuration: Option<PathBuf>,
    /// Findings that somebody lives with.
    pub accept: Vec<Acceptance>,
    /// The file that this is from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// A finding that somebody lives with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Acceptance {
    /// That of a finding's definition.
    pub code: String,
    /// `name`, or `namespace/name`; without it, every cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Why somebody lives with it; told beside the finding.
    pub reason: String,
}

/// A length of time in days and smaller units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Retention(pub jiff::SignedDuration);

impl TryFrom<String> for Retention {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: String| format!("`{text}` is no length of time, such as `30d` or `2w`: {why}");
        let span: jiff::Span = text.parse().map_err(|error: jiff::Error| wrong(error.to_string()))?;
        let relative = jiff::SpanRelativeTo::days_are_24_hours();
        let length = span.to_duration(relative).map_err(|error| wrong(error.to_string()))?;
        if length.is_positive() {
            Ok(Retention(length))
        } else {
            Err(wrong("it must be positive".to_owned()))
        }
    }
}

//! What is said of the stand-in for Spilo.

use serde::Deserialize;

/// Where being true to Spilo costs time, and how true it is then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StandInSettings {
    pub first_backup: FirstBackup,
}

/// When the first base backup of a cluster begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstBackup {
    /// As soon as the node is the primary.
    #[default]
    AtOnce,
    /// At the next of Spilo's looks, one a minute.
    AsSpilo,
}

impl FirstBackup {
    /// As a file and the variable call it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "at-once" => Some(FirstBackup::AtOnce),
            "as-spilo" => Some(FirstBackup::AsSpilo),
            _ => None,
        }
    }
}

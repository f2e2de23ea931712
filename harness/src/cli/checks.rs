//! What scenarios are held against from outside their files, the same for every subcommand.

use std::path::Path;

use super::Failure;
use crate::observe::catalogue;
use crate::scenario::Checks;
use crate::toolchain::{Configuration, ToolchainError, check_version};

/// Calls `then` with the checks of this folder's configuration.
///
/// # Errors
/// When the configuration file is at fault.
pub(super) fn with_checks<T>(then: impl FnOnce(&Checks<'_>) -> T) -> Result<T, Failure> {
    let here = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    let configuration = Configuration::load(&here).map_err(Failure::invalid)?;
    let given: Vec<&str> = configuration.operators().collect();
    let operator_known = |version: &str| {
        if given.contains(&version) {
            return Ok(());
        }
        check_version(version, &given).map_err(|error| match error {
            ToolchainError::OperatorUnknown { why, help, .. } => format!("{why}; {help}"),
            other => other.to_string(),
        })
    };
    Ok(then(&Checks { operator_known: &operator_known, catalogue: catalogue::names() }))
}

//! What scenarios are held against from outside their files, the same for every subcommand.

use crate::observe::catalogue;
use crate::scenario::Checks;
use crate::toolchain::{Configuration, ToolchainError, check_version};

/// Calls `then` with the checks of this configuration.
pub(super) fn with_checks<T>(configuration: &Configuration, then: impl FnOnce(&Checks<'_>) -> T) -> T {
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
    then(&Checks { operator_known: &operator_known, catalogue: catalogue::names() })
}

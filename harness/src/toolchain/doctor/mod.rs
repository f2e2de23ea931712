//! What this machine can run, and the exact remedy for what it cannot.

mod namespaces;
mod programs;
mod room;

use serde::Serialize;

use super::configuration::Configuration;
use super::error::ToolchainError;
use super::remedy::Remedy;

pub use namespaces::why_no_sandbox;

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    pub name: &'static str,
    pub state: CheckState,
    /// What was seen.
    pub seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    Good,
    /// It is not there, and nothing that is left to make needs it.
    NotNeeded,
    Bad,
}

impl Check {
    fn good(name: &'static str, seen: impl Into<String>) -> Self {
        Check { name, state: CheckState::Good, seen: seen.into(), remedy: None }
    }

    fn bad(name: &'static str, lack: Remedy) -> Self {
        Check { name, state: CheckState::Bad, seen: lack.problem, remedy: Some(lack.remedy) }
    }

    fn not_needed(name: &'static str, seen: impl Into<String>) -> Self {
        Check { name, state: CheckState::NotNeeded, seen: seen.into(), remedy: None }
    }
}

/// Looks at everything that drills with these operators need. Fetches and changes nothing.
///
/// # Errors
/// When what a person gave in the configuration is wrong.
pub fn examine(configuration: &Configuration, operators: &[String]) -> Result<Vec<Check>, ToolchainError> {
    let plan = super::plan::Plan::new(configuration, operators)?;
    let missing = plan.missing();
    let mut checks = vec![match why_no_sandbox() {
        None => Check::good("namespaces", "user, network, mount and PID namespaces, a tmpfs and a bridge"),
        Some(lack) => Check::bad("namespaces", lack),
    }];
    checks.extend(programs::checks(&plan, &missing));
    checks.extend(room::checks(plan.cache.root(), !missing.is_empty()));
    Ok(checks)
}

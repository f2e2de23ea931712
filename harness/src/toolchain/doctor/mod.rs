//! What this machine can run, and the exact remedy for what it cannot.

mod namespaces;
mod programs;
mod room;
mod users;

use serde::Serialize;

use super::configuration::Configuration;
use super::error::ToolchainError;
use super::plan::Plan;
use super::remedy::Remedy;

pub use namespaces::why_no_sandbox;

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Such as `namespaces` or `memory`.
    pub name: &'static str,
    /// Whether drills can run with it.
    pub state: CheckState,
    /// What was seen.
    pub seen: String,
    /// What a person can do about it; none where nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What a check of the machine came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// It is there, and does what drills need.
    Good,
    /// It is not there, and nothing that is left to make needs it.
    NotNeeded,
    /// Drills need it, and it is not there or does not do its work.
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
/// When there is no folder for the cache.
pub fn examine(configuration: &Configuration, operators: &[String]) -> Result<Vec<Check>, ToolchainError> {
    let (plan, mut checks) = plan(configuration.clone(), operators.to_vec())?;
    let missing = plan.missing();
    checks.push(match why_no_sandbox() {
        None => Check::good(
            "namespaces",
            "user (two, one in the other), network, mount, PID, IPC and UTS namespaces; a /proc, a tmpfs, a bridge and a \
             veth pair in them",
        ),
        Some(lack) => Check::bad("namespaces", lack),
    });
    checks.push(users::check(configuration));
    checks.extend(programs::checks(&plan, &missing));
    checks.extend(room::checks(&room::Folders::of(&plan, &missing)));
    Ok(checks)
}

/// The plan, and a check for each thing that a person gave and that cannot be used: the plan is made without it, so that
/// all else is looked at, too.
fn plan(
    mut configuration: Configuration,
    mut operators: Vec<String>,
) -> Result<(Plan, Vec<Check>), ToolchainError> {
    let mut checks = Vec::new();
    loop {
        match Plan::new(&configuration, &operators) {
            Ok(plan) => return Ok((plan, checks)),
            Err(ToolchainError::Given { program, origin, path, why }) => {
                let problem = format!("{program} given by {origin}: {} {why}", path.display());
                let remedy = "correct the path, or leave it out: then the program is fetched or built";
                checks.push(Check::bad("given", Remedy::new(problem, remedy)));
                operators.retain(|name| super::configuration::given_operator(name) != program);
                configuration = configuration.without(&program);
            }
            Err(ToolchainError::OperatorUnknown { version, why, help }) => {
                checks.push(Check::bad("operator", Remedy::new(format!("{version}: {why}"), help)));
                operators.retain(|name| *name != version);
            }
            Err(error) => return Err(error),
        }
    }
}

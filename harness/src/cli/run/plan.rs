//! What is to be run: every scenario is checked in full before anything starts.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::Failure;
use crate::observe::catalogue;
use crate::scenario::{Checks, LoadedScenario, ScenarioError, Step, find_files, load};
use crate::toolchain::{Configuration, Terminal as Progress, ToolchainError, Tools, ensure, survey};

/// One drill of the run.
pub struct Planned {
    pub loaded: Arc<LoadedScenario>,
    pub operator: String,
}

/// All drills, those of one operator version together.
///
/// # Errors
/// For a file that is at fault, or where nothing is left to run.
pub fn plan(
    configuration: &Configuration,
    paths: &[PathBuf],
    operators: &[String],
) -> Result<Vec<Planned>, Failure> {
    let files = find_files(paths).map_err(Failure::invalid)?;
    let known = RefCell::new(BTreeMap::new());
    let operator_known = |version: &str| {
        let look =
            || survey(configuration, &[version.to_owned()]).map(drop).map_err(|error| error.to_string());
        known.borrow_mut().entry(version.to_owned()).or_insert_with(look).clone()
    };
    let checks = Checks { operator_known: &operator_known, catalogue: catalogue::names() };
    let mut scenarios = Vec::new();
    let mut invalid = 0;
    for file in &files {
        match load(file, &checks) {
            Ok(loaded) => scenarios.push(Arc::new(loaded)),
            // All are shown, not only the first; the last one as this command's own failure.
            Err(error) if file == files.last().unwrap_or(file) => return Err(Failure::invalid(error)),
            Err(error) => {
                invalid += 1;
                eprintln!("{:?}", miette::Report::new(error));
            }
        }
    }
    if invalid > 0 {
        return Err(Failure::invalid(miette::miette!(
            "{invalid} of {} scenarios are invalid; nothing was started",
            files.len()
        )));
    }
    let mut drills = Vec::new();
    for loaded in &scenarios {
        let wanted = |version: &&String| operators.is_empty() || operators.contains(version);
        for operator in loaded.scenario.operator.versions.iter().filter(wanted) {
            drills.push(Planned { loaded: loaded.clone(), operator: operator.clone() });
        }
    }
    if drills.is_empty() {
        let known: BTreeSet<&str> = scenarios
            .iter()
            .flat_map(|loaded| loaded.scenario.operator.versions.iter().map(String::as_str))
            .collect();
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Failure::invalid(miette::miette!(
            "failed to find a drill: {} scenarios, for operators {}",
            scenarios.len(),
            known.join(", ")
        )));
    }
    drills.sort_by(|one, other| one.operator.cmp(&other.operator));
    Ok(drills)
}

/// The programs that these drills need, fetched or built where they are missing.
///
/// # Errors
/// When one cannot be had.
pub fn tools(configuration: &Configuration, plan: &[Planned]) -> Result<Tools, Failure> {
    let mut operators: BTreeSet<String> = plan.iter().map(|planned| planned.operator.clone()).collect();
    let steps = plan.iter().flat_map(|planned| &planned.loaded.scenario.steps);
    operators.extend(steps.filter_map(|step| match step {
        Step::UpgradeOperator(version) => Some(version.clone()),
        _ => None,
    }));
    let operators: Vec<String> = operators.into_iter().collect();
    ensure(configuration, &operators, &Progress::new()).map_err(|error| match unknown(plan, &error) {
        Some(placed) => Failure::invalid(placed),
        None => Failure { verdict: error.verdict(), report: error.into() },
    })
}

/// Which scenario names the operator that cannot be had, and where: only fetching it shows that there is none.
fn unknown(plan: &[Planned], error: &ToolchainError) -> Option<ScenarioError> {
    let ToolchainError::OperatorUnknown { version, why, help } = error else { return None };
    let operator_known = |asked: &str| if asked == version { Err(format!("{why}; {help}")) } else { Ok(()) };
    let checks = Checks { operator_known: &operator_known, catalogue: catalogue::names() };
    plan.iter().find_map(|planned| load(&planned.loaded.file, &checks).err())
}

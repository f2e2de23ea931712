//! What is to be run: every scenario is checked in full before anything starts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::checks::with_checks;
use crate::cli::{Failure, programs};
use crate::environment::{Prepared, Which};
use crate::observe::catalogue;
use crate::scenario::{Checks, LoadedScenario, Scenario, ScenarioError, Step, find_files, load};
use crate::toolchain::{Configuration, ToolchainError};

/// One drill of the run.
pub(in crate::cli) struct Planned {
    pub loaded: Arc<LoadedScenario>,
    pub operator: String,
}

/// More than one scenario is invalid.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} of {of} scenarios are invalid; nothing was started", .scenarios.len())]
pub(super) struct InvalidScenarios {
    #[related]
    pub scenarios: Vec<ScenarioError>,
    of: usize,
}

/// All drills, those of one operator version together.
///
/// # Errors
/// For a file that is at fault, or where nothing is left to run.
pub(in crate::cli) fn plan(
    configuration: &Configuration,
    paths: &[PathBuf],
    operators: &[String],
) -> Result<Vec<Planned>, Failure> {
    let files = find_files(paths).map_err(Failure::invalid)?;
    let (mut scenarios, mut invalid) = (Vec::new(), Vec::new());
    with_checks(configuration, |checks| {
        for file in &files {
            match load(file, checks) {
                Ok(loaded) => scenarios.push(Arc::new(loaded)),
                Err(error) => invalid.push(error),
            }
        }
    });
    match invalid.len() {
        0 => drills(&scenarios, operators),
        1 => Err(Failure::invalid(invalid.remove(0))),
        _ => Err(Failure::invalid(InvalidScenarios { scenarios: invalid, of: files.len() })),
    }
}

/// Those with the wanted operators, or all; an operator that no scenario knows is a mistake.
fn drills(scenarios: &[Arc<LoadedScenario>], wanted: &[String]) -> Result<Vec<Planned>, Failure> {
    let versions = scenarios.iter().flat_map(|loaded| &loaded.scenario.operator.versions);
    let known: BTreeSet<&str> = versions.map(String::as_str).collect();
    if let Some(unknown) = wanted.iter().find(|version| !known.contains(version.as_str())) {
        let near = |name: &&&str| strsim::damerau_levenshtein(unknown, name);
        let help = match known.iter().min_by_key(near) {
            Some(nearest) => format!("did you mean `{nearest}`? there are: {}", list(&known)),
            None => "there are no scenarios".to_owned(),
        };
        return Err(Failure::invalid(miette::miette!(
            help = help,
            "failed to find a scenario for operator `{unknown}` among the {} given",
            scenarios.len()
        )));
    }
    let mut drills = Vec::new();
    for loaded in scenarios {
        let wanted = |version: &&String| wanted.is_empty() || wanted.contains(version);
        for operator in loaded.scenario.operator.versions.iter().filter(wanted) {
            drills.push(Planned { loaded: loaded.clone(), operator: operator.clone() });
        }
    }
    if drills.is_empty() {
        return Err(Failure::invalid(miette::miette!(
            "failed to find a scenario: there is no `*.yaml` below the given folders"
        )));
    }
    drills.sort_by(|one, other| one.operator.cmp(&other.operator));
    Ok(drills)
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// The programs that these drills need there, fetched or built where they are missing.
///
/// # Errors
/// When one cannot be had, or `stop` was cancelled meanwhile.
pub(in crate::cli) async fn prepare(
    configuration: &Configuration,
    plan: &[Planned],
    which: Which,
    stop: &CancellationToken,
) -> Result<Prepared, Failure> {
    let mut operators: BTreeSet<String> = plan.iter().map(|planned| planned.operator.clone()).collect();
    let steps = plan.iter().flat_map(|planned| &planned.loaded.scenario.steps);
    operators.extend(steps.filter_map(|step| match step {
        Step::UpgradeOperator(version) => Some(version.clone()),
        _ => None,
    }));
    let operators: Vec<String> = operators.into_iter().collect();
    let scenarios = plan.iter().map(|planned| &planned.loaded.scenario);
    let configuration = configuration.clone().with_postgres(scenarios.flat_map(named_majors));
    let had = programs::prepare(which, &configuration, &operators, stop).await;
    had.map_err(|error| match unknown(plan, &error) {
        Some(placed) => Failure::invalid(placed),
        None => Failure::programs(error),
    })
}

/// Of the majors that an operator's definition has ever let manifests name.
const OLDEST: u16 = 9;

/// The majors of PostgreSQL that a scenario's manifests name as a number of their own.
fn named_majors(scenario: &Scenario) -> impl Iterator<Item = u16> {
    let version = |manifest: &Value| manifest.pointer("/spec/postgresql/version")?.as_str()?.parse().ok();
    // What no operator has ever taken, the API server refuses with its place.
    scenario.clusters.values().filter_map(version).filter(|major| *major >= OLDEST)
}

/// Which scenario names the operator that cannot be had, and where: only Go can say that there is none.
fn unknown(plan: &[Planned], error: &ToolchainError) -> Option<ScenarioError> {
    let ToolchainError::OperatorUnknown { version, why, help } = error else { return None };
    let operator_known = |asked: &str| if asked == version { Err(format!("{why}; {help}")) } else { Ok(()) };
    let checks = Checks { operator_known: &operator_known, catalogue: catalogue::names() };
    plan.iter().find_map(|planned| planned.loaded.problem_by(&checks))
}

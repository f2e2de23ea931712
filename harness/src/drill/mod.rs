//! The run: one scenario, one operator version, one environment; steps, observations, verdict.

mod collect;
mod error;
mod events;
mod evidence;
mod judge;
mod leader;
mod outcome;
mod own_place;
mod pods;
mod server_log;
mod snapshots;
mod steps;
mod waiting;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use error::DrillError;
pub use events::Teller;

use crate::environment::Environment;
use crate::exit::Verdict;
use crate::report::{ClusterSummary, DrillReport, Event, Finding};
use crate::scenario::LoadedScenario;
use crate::snapshot::leak::find_leaks;
use crate::storage::AzuriteError;
use crate::toolchain::Tools;
use evidence::Evidence;
use world::World;

/// What a drill's process is told on stdin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The scenario's file as the user named it.
    pub scenario: PathBuf,
    /// One of the scenario's operator versions.
    pub operator: String,
    pub tools: Tools,
    /// The name of the environment to join.
    pub environment: String,
    /// Accept what differs from snapshots.
    pub update: bool,
    /// This drill's own folder, made where missing.
    pub evidence: PathBuf,
}

/// What came of the steps and observations, before it is a report.
#[derive(Default)]
struct Conclusion {
    findings: Vec<Finding>,
    verdict: Option<Verdict>,
    clusters: Vec<ClusterSummary>,
    told_apart: Vec<String>,
}

impl Conclusion {
    fn error(&mut self, doing: &str, error: &DrillError) {
        self.verdict.get_or_insert(error.verdict());
        self.findings.push(error.finding(doing));
    }
}

/// Runs a drill to its end. Whatever happens becomes a report.
pub async fn run<E: Environment>(environment: &E, job: &Job, loaded: &LoadedScenario) -> DrillReport {
    let start = Instant::now();
    let mut result = Conclusion::default();
    let teller = in_world(environment, job, loaded, &mut result).await;
    let verdict =
        result.verdict.unwrap_or(if result.findings.is_empty() { Verdict::Passed } else { Verdict::Failed });
    DrillReport {
        scenario: loaded.scenario.name.clone(),
        file: job.scenario.clone(),
        operator: job.operator.clone(),
        environment: environment.name().to_owned(),
        verdict,
        milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        phases: teller.phases(),
        clusters: result.clusters,
        findings: result.findings,
        told_apart: result.told_apart,
        evidence: job.evidence.clone(),
    }
}

async fn in_world<E: Environment>(
    environment: &E,
    job: &Job,
    loaded: &LoadedScenario,
    result: &mut Conclusion,
) -> Teller {
    let evidence = match Evidence::in_folder(&job.evidence) {
        Ok(evidence) => evidence,
        Err(error) => {
            result.error("evidence folder", &error);
            return Teller::default();
        }
    };
    let made =
        World::stand_up(environment, &job.tools, loaded, &job.operator, evidence, Teller::default()).await;
    let mut world = match made {
        Ok(world) => world,
        Err((error, teller)) => {
            result.error("stand up", &error);
            return teller;
        }
    };
    steps(&mut world, result).await;
    if let Err(error) = observe_and_judge(&mut world, job, result).await {
        result.error("observe", &error);
    }
    leaks(&world, result);
    world.teller
}

/// Does the steps until one cannot be done; what was seen until then is observed all the same.
async fn steps<E: Environment>(world: &mut World<'_, E>, result: &mut Conclusion) {
    let steps = &world.loaded.scenario.steps;
    let of = steps.len();
    for (index, step) in steps.iter().enumerate() {
        let (start, title) = (Instant::now(), steps::title(step));
        world.teller.tell(&Event::StepStarted { index: index + 1, of, title: title.clone() });
        match world.step(step).await {
            Ok(note) => {
                let note = world.hide(&note);
                let milliseconds = world.teller.phase(title.clone(), start, note.clone());
                world.teller.tell(&Event::StepFinished { index: index + 1, of, title, milliseconds, note });
            }
            Err(error) => {
                // Without storage nothing can be done, whatever it was that showed it.
                let error = match world.azurite.failed() {
                    Some(failure) => AzuriteError::Ended(failure).into(),
                    None => error,
                };
                world.teller.phase(title.clone(), start, "not done");
                result.error(&format!("step {}: {title}", index + 1), &error);
                return;
            }
        }
    }
}

async fn observe_and_judge<E: Environment>(
    world: &mut World<'_, E>,
    job: &Job,
    result: &mut Conclusion,
) -> Result<(), DrillError> {
    let start = Instant::now();
    world.teller.progress("observe");
    let observed = world.collect().await?;
    world.teller.phase("observe", start, "");

    let start = Instant::now();
    let scenario = &world.loaded.scenario;
    let (lookup, redactor) = (world.lookup(), world.redactor());
    let value = |text: &str| {
        let filled = crate::scenario::fill_text(text, &|variable| lookup.value(variable));
        redactor.hide(&filled.unwrap_or_else(|_| text.to_owned()))
    };
    result.clusters = observed.summaries(&scenario.expect)?;
    // After a step that could not be done the rest of the expectations would only repeat its finding.
    if result.verdict.is_none() {
        result.findings.extend(observed.judge(&scenario.expect, &value)?);
        for alternative in &scenario.told_apart_from {
            match observed.told_apart(alternative, &value)? {
                Some(line) => result.told_apart.push(line),
                None => result.findings.push(not_told_apart(alternative)),
            }
        }
        let accept = job.update && result.findings.is_empty();
        result.findings.extend(snapshots::compare(&observed, scenario, job, &redactor, accept)?);
    }
    world.teller.phase("compare", start, "");
    Ok(())
}

fn not_told_apart(
    alternative: &std::collections::BTreeMap<String, crate::scenario::ClusterExpectation>,
) -> Finding {
    let what =
        alternative.iter().map(|(short, expected)| format!("{short}: {}", judge::name(expected.outcome)));
    Finding {
        subject: "told apart".to_owned(),
        expected: format!(
            "the same world not to meet the expectation {}",
            what.collect::<Vec<_>>().join(", ")
        ),
        seen: "nothing that was seen speaks against that one, so this drill proves nothing".to_owned(),
        evidence: Vec::new(),
        help: "make the expectations of the scenario more exact".to_owned(),
    }
}

/// The last net: nothing that a drill leaves behind may hold a secret.
fn leaks<E: Environment>(world: &World<'_, E>, result: &mut Conclusion) {
    match find_leaks(world.evidence.folder(), &world.secrets()) {
        Ok(leaks) if leaks.is_empty() => {}
        Ok(leaks) => {
            result.verdict = Some(Verdict::Broken);
            result.findings.push(Finding {
                subject: "evidence".to_owned(),
                expected: "no secret in any file".to_owned(),
                seen: format!("{} places with a secret", leaks.len()),
                evidence: leaks.iter().take(10).map(ToString::to_string).collect(),
                help: "delete the evidence folder; this is a defect of clonedrill".to_owned(),
            });
        }
        Err(error) => result.error("look for leaks", &error.into()),
    }
}

//! The run: one scenario, one operator version, one environment; steps, observations, verdict.

mod archive;
pub mod broken;
pub(crate) mod bundle;
mod collect;
mod error;
mod events;
mod evidence;
mod faults;
mod first_backup;
mod follow;
mod image;
mod judge;
mod kept_backup;
mod leader;
mod look;
pub(crate) mod outcome;
mod own_place;
mod pods;
mod secrets;
mod server_log;
mod snapshots;
mod steps;
mod still;
mod tokens;
mod waiting;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use error::DrillError;
pub use events::Teller;
pub(crate) use world::postgres_major;

use crate::environment::{Environment, Storage, Which};
use crate::exit::Verdict;
use crate::observe::env;
use crate::report::{ClusterSummary, DrillReport, Event, Finding, PodImage};
use crate::scenario::{LoadedScenario, Scenario};
use crate::secret::Secret;
use crate::snapshot::leak::{find_leaks, find_leaks_in, leaked_by};
use crate::snapshot::redact::Redactor;
use crate::toolchain::Tools;
use evidence::Evidence;
use judge::Observed;
use world::{Beginning, NotStanding, World};

/// What a drill's process is told on stdin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Loaded and checked, with its files as they were then.
    pub scenario: LoadedScenario,
    /// One of the scenario's operator versions.
    pub operator: String,
    /// The programs of the run.
    pub tools: Tools,
    /// The name of the environment to join.
    pub environment: String,
    /// What kind of environment that is.
    pub which: Which,
    /// Accept what differs from snapshots.
    pub update: bool,
    /// What the environment prints, which is searched for secrets with the drill's own folder.
    pub log: PathBuf,
    /// This drill's own folder, made where missing.
    pub evidence: PathBuf,
}

impl Job {
    /// The report of it, before anything came of it.
    pub fn report(&self) -> DrillReport {
        let LoadedScenario { scenario, file, .. } = &self.scenario;
        let (name, environment) = (&scenario.name, self.which.description().name);
        DrillReport::of_scenario(name, file, &self.operator, environment, &self.evidence)
    }
}

/// What came of the steps and observations, before it is a report.
#[derive(Default)]
struct Conclusion {
    findings: Vec<Finding>,
    verdict: Option<Verdict>,
    clusters: Vec<ClusterSummary>,
    images: Vec<PodImage>,
    told_apart: Vec<String>,
    /// Logs and requests stand in the evidence folder.
    collected: bool,
}

impl Conclusion {
    fn error(&mut self, doing: &str, error: &DrillError) {
        self.verdict.get_or_insert(error.verdict());
        self.findings.push(error.finding(doing));
    }

    /// Whoever wrote a text, the server, an API or a row of a table: no secret of this drill leaves it.
    fn hide(&mut self, redactor: &Redactor) {
        let clusters = self.clusters.iter_mut().flat_map(|cluster| [&mut cluster.outcome, &mut cluster.data]);
        let findings = self.findings.iter_mut().flat_map(|finding| {
            let Finding { subject, expected, seen, evidence, help } = finding;
            [subject, expected, seen, help].into_iter().chain(evidence)
        });
        for text in clusters.chain(findings).chain(&mut self.told_apart) {
            *text = redactor.hide(text);
        }
    }
}

/// Runs a drill to its end. Whatever happens becomes a report.
pub async fn run<E: Environment>(environment: &E, job: &Job) -> DrillReport {
    let loaded = &job.scenario;
    let start = Instant::now();
    let mut result = Conclusion::default();
    let (teller, secrets) = in_world(environment, job, loaded, &mut result).await;
    let verdict =
        result.verdict.unwrap_or(if result.findings.is_empty() { Verdict::Passed } else { Verdict::Failed });
    let report = DrillReport {
        verdict,
        milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        phases: teller.phases(),
        clusters: result.clusters,
        images: result.images,
        findings: result.findings,
        told_apart: result.told_apart,
        ..job.report()
    };
    without_secrets(report, &secrets)
}

/// A report that gives a secret away reaches nobody: what it said is left out.
fn without_secrets(report: DrillReport, secrets: &[Secret]) -> DrillReport {
    let leaked = match serde_json::to_string(&report) {
        Ok(text) => leaked_by(&text, secrets),
        Err(error) => vec![error.to_string()],
    };
    if leaked.is_empty() {
        return report;
    }
    let finding = Finding::new(
        "report",
        "no secret in it",
        format!("{}; what the report said is left out", leaked.join(", ")),
    )
    .with_help("the evidence folder says what happened; this is a defect of clonedrill");
    let (phases, clusters, told_apart) = (Vec::new(), Vec::new(), Vec::new());
    DrillReport { verdict: Verdict::Broken, findings: vec![finding], phases, clusters, told_apart, ..report }
}

async fn in_world<E: Environment>(
    environment: &E,
    job: &Job,
    loaded: &LoadedScenario,
    result: &mut Conclusion,
) -> (Teller, Vec<Secret>) {
    let evidence = match Evidence::in_folder(&job.evidence) {
        Ok(evidence) => evidence,
        Err(error) => {
            result.error("evidence folder", &error);
            return (Teller::default(), Vec::new());
        }
    };
    let (folder, mut teller) = (evidence.clone(), Teller::default());
    let start = Instant::now();
    let archive = match &loaded.archive {
        None => None,
        Some(scenario) => match Box::pin(archive::obtain(environment, job, scenario, &teller)).await {
            Ok(archive) => {
                teller.phase("prepared archive", start, scenario.scenario.name.clone());
                Some(archive)
            }
            Err(error) => {
                result.error("prepare the archive", &error);
                return (teller, Vec::new());
            }
        },
    };
    let beginning = Beginning::of(archive.as_ref());
    let made =
        World::stand_up(environment, &job.tools, loaded, &job.operator, folder, teller, beginning).await;
    let mut world = match made {
        Ok(world) => world,
        Err(NotStanding { error, teller, redactor }) => {
            result.error("stand up", &error);
            result.hide(&redactor);
            Box::pin(bundle::of_unmade(environment, &evidence, redactor)).await;
            return (teller, Vec::new());
        }
    };
    steps(&mut world, result).await;
    if let Err(error) = observe_and_judge(&mut world, job, result).await {
        result.error("observe", &error);
    }
    if result.verdict.is_some() || !result.findings.is_empty() {
        Box::pin(world.bundle(result.collected)).await;
    }
    leaks(&world, job, result);
    result.hide(&world.redactor());
    let secrets = world.secrets();
    (world.teller, secrets)
}

/// Does the steps until one cannot be done; what was seen until then is observed all the same.
async fn steps<E: Environment>(world: &mut World<'_, E>, result: &mut Conclusion) {
    let steps = &world.loaded.scenario.steps;
    let of = steps.len();
    for (index, step) in steps.iter().enumerate() {
        let (start, title) = (Instant::now(), steps::title(step));
        world.teller.tell(&Event::StepStarted { index: index + 1, of, title: title.clone() });
        match world.step(index, step).await {
            Ok(note) => {
                let note = world.hide(&note);
                let milliseconds = world.teller.phase(title.clone(), start, note.clone());
                world.teller.tell(&Event::StepFinished { index: index + 1, of, title, milliseconds, note });
            }
            Err(error) => {
                // Without storage nothing can be done, whatever it was that showed it.
                let error = world.storage.failed().map_or(error, DrillError::StorageEnded);
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
    result.collected = true;
    result.images = world.pod_images().await?;
    world.teller.phase("observe", start, "");
    let effects = world.effects().await?;
    for (name, effect) in &effects {
        let note = effect.clone().unwrap_or("it hit nothing".to_owned());
        world.teller.phase(format!("fault {name}"), Instant::now(), note);
    }
    // After a step that could not be done a fault may not have had its turn.
    if result.verdict.is_none() {
        result.findings.extend(faults::without_effect(&effects));
    }

    let start = Instant::now();
    let scenario = &world.loaded.scenario;
    let (lookup, redactor) = (world.lookup(), world.redactor());
    let value = |name: &str, text: &str| {
        let filled = crate::scenario::fill_text(text, &|variable| lookup.value(variable));
        env::shown(name, &filled.unwrap_or_else(|_| text.to_owned()), &redactor)
    };
    result.clusters = observed.summaries(&scenario.expect)?;
    let judged = judge(&observed, scenario, job, result, &value, &world.secrets());
    // Whatever was compared until then is worth reading.
    for (name, text) in observed.comparisons.files() {
        world.evidence.text(&name, &redactor.hide(&text))?;
    }
    judged?;
    world.teller.phase("compare", start, "");
    Ok(())
}

fn judge(
    observed: &Observed,
    scenario: &Scenario,
    job: &Job,
    result: &mut Conclusion,
    value: &dyn Fn(&str, &str) -> String,
    secrets: &[Secret],
) -> Result<(), DrillError> {
    // After a step that could not be done the rest of the expectations would only repeat its finding.
    if result.verdict.is_none() {
        result.findings.extend(observed.judge(&scenario.expect, value)?);
        for alternative in &scenario.told_apart_from {
            match observed.told_apart(alternative, value)? {
                Some(line) => result.told_apart.push(line),
                None => result.findings.push(not_told_apart(alternative)),
            }
        }
        let sound = result.findings.is_empty();
        result.findings.extend(snapshots::compare(
            observed,
            scenario,
            (job, &image::peculiar(&result.images, job.which)),
            (&observed.redactor, secrets),
            sound,
        )?);
    }
    Ok(())
}

fn not_told_apart(
    alternative: &std::collections::BTreeMap<String, crate::scenario::ClusterExpectation>,
) -> Finding {
    let what =
        alternative.iter().map(|(short, expected)| format!("{short}: {}", judge::name(expected.outcome)));
    Finding::new(
        "told apart",
        format!("the same world not to meet the expectation {}", what.collect::<Vec<_>>().join(", ")),
        "nothing that was seen speaks against that one, so this drill proves nothing",
    )
    .with_help("make the expectations of the scenario more exact")
}

/// The last net: nothing that a drill leaves behind may hold a secret.
fn leaks<E: Environment>(world: &World<'_, E>, job: &Job, result: &mut Conclusion) {
    let mut others = vec![job.log.clone()];
    let peculiar = image::peculiar(&result.images, job.which);
    for &kind in &world.loaded.scenario.expect.snapshots {
        let name = snapshots::name((job, &peculiar), kind);
        others.extend(name.files().into_iter().flatten());
    }
    let secrets = world.secrets();
    let found = find_leaks(world.evidence.folder(), &secrets)
        .and_then(|leaks| Ok([leaks, find_leaks_in(&others, &secrets)?].concat()));
    match found {
        Ok(leaks) if leaks.is_empty() => {}
        Ok(leaks) => {
            result.verdict = Some(Verdict::Broken);
            result.findings.push(
                Finding::new(
                    "evidence",
                    "no secret in any file",
                    format!("{} places with a secret", leaks.len()),
                )
                .with_evidence(leaks.iter().take(10).map(ToString::to_string).collect())
                .with_help("delete these files; this is a defect of clonedrill"),
            );
        }
        Err(error) => result.error("look for leaks", &error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn report(seen: &str) -> DrillReport {
        let file = Path::new("scenarios/clone/wrong-key.yaml");
        let name = "clone-wrong-key";
        DrillReport {
            verdict: Verdict::Failed,
            findings: vec![Finding::new("clone: outcome", "running", seen.to_owned())],
            ..DrillReport::of_scenario(name, file, "v1.15.1", "local", Path::new("target/evidence"))
        }
    }

    #[test]
    fn a_report_with_a_secret_in_it_is_not_given_to_anybody() {
        let key = Secret::new("b2theXktcHJvZA==");
        let given = without_secrets(report("key b2theXktcHJvZA== is refused"), std::slice::from_ref(&key));
        assert_eq!(given.verdict, Verdict::Broken);
        assert!(!format!("{given:?}").contains(key.reveal()), "{given:?}");
        assert!(given.findings[0].seen.contains(&key.fingerprint()), "{given:?}");
        let harmless = report(&format!("key {key} is refused"));
        assert_eq!(without_secrets(harmless, &[key]).verdict, Verdict::Failed);
    }

    #[test]
    fn no_secret_leaves_a_drill_in_any_text_of_its_report() {
        let key = "k/+9".repeat(22);
        let secret = Secret::new(&key);
        let why = format!("the server said ERROR: duplicate key (Key (key)=({key}) already exists.)");
        let mut result = Conclusion::default();
        result.error(
            "step 1: sql on source",
            &DrillError::Step { what: "run SQL".to_owned(), why, evidence: vec![format!("row ({key})")] },
        );
        result.findings.push(
            Finding::new(format!("clone: env {key}"), format!("value `{key}`"), key.clone())
                .with_evidence(vec!["a line".to_owned(), format!("another with {key}")])
                .with_help(format!("take {key} out")),
        );
        result.told_apart.push(format!("clone: data: not equal, but row ({key})"));
        result.clusters.push(ClusterSummary {
            cluster: "clone".to_owned(),
            outcome: key.clone(),
            data: format!("equals {key}"),
            reads: Vec::new(),
            writes: Vec::new(),
            refused: Vec::new(),
            follows: None,
            said: Vec::new(),
            refusal: None,
        });
        result.hide(&Redactor::new().account_key("prodbackups", &secret));
        let Conclusion { findings, told_apart, clusters, .. } = result;
        let text = format!("{findings:?}{told_apart:?}{clusters:?}");
        assert!(!text.contains(&key), "{text}");
        assert_eq!(text.matches(&secret.fingerprint()).count(), 10, "{text}");
    }
}

//! The restore that is to be broken, taken out of a person's scenario: what is done before it makes an archive, once, and each fault
//! begins with a copy of that.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::{
    ClusterExpectation, ClusterOutcome, DataExpectation, Expect, LoadedScenario, LogsExpectation, MarkStep,
    RestoreInPlaceStep, Scenario, SqlStep, Step,
};

/// The mark at the archive's end, where the scenario holds its clone against a cluster.
const AT_THE_END: &str = "before-the-restore";
/// The folder of the generated scenarios, and so the first part of their names.
pub const GROUP: &str = "sabotage";
/// The file of the archive's scenario.
pub const ARCHIVE: &str = "archive";

/// Why a scenario cannot be sabotaged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoBase {
    /// No step makes a clone.
    #[error("find what to restore: no step creates a cluster with `spec.clone`")]
    NoClone,
    /// Its clone is meant to fail.
    #[error("sabotage {0}: the scenario itself expects it not to run")]
    NotRunning(String),
    /// It clones what runs, and reads no backup.
    #[error("sabotage {0}: without `spec.clone.timestamp` it copies its running source and reads no backup")]
    FromRunning(String),
    /// It begins with an archive and works on before it restores.
    #[error("prepare the archive: the scenario begins with one, and has steps before {0} is created")]
    ArchiveAndSteps(String),
    /// Nothing says what its data have to be.
    #[error("know what {0} has to hold: its timestamp is no mark's, and its data are held against none")]
    NoMark(String),
}

/// What is broken, again and again.
#[derive(Debug, Clone)]
pub struct Base {
    /// The short name of the clone.
    pub clone: String,
    /// What its data have to equal.
    pub mark: String,
    /// The scenario of the archive.
    pub archive: Scenario,
    /// A restore from it, without a fault.
    whole: Scenario,
}

impl Base {
    /// The first clone that a scenario restores, with one version of the operator.
    ///
    /// # Errors
    /// When there is none, or it is none that can be broken.
    pub fn of(loaded: &LoadedScenario, operator: &str) -> Result<Base, NoBase> {
        let scenario = &loaded.scenario;
        let made = |step: &Step| match step {
            Step::Create(name) | Step::RestoreInPlace(RestoreInPlaceStep { with: name, .. }) => {
                is_clone(scenario.clusters.get(name)?).then(|| name.clone())
            }
            _ => None,
        };
        let found = scenario.steps.iter().enumerate().find_map(|(at, step)| Some((at, made(step)?)));
        let (at, clone) = found.ok_or(NoBase::NoClone)?;
        let manifest = &scenario.clusters[&clone];
        let expected = scenario.expect.clusters.get(&clone);
        if expected.is_some_and(|expected| expected.outcome != ClusterOutcome::Running) {
            return Err(NoBase::NotRunning(clone));
        }
        let timestamp = manifest.pointer("/spec/clone/timestamp").and_then(Value::as_str).unwrap_or_default();
        if timestamp.is_empty() {
            return Err(NoBase::FromRunning(clone));
        }
        let mut archive = match loaded.archive.as_deref() {
            Some(_) if !scenario.steps[..at].iter().all(is_fault) => {
                return Err(NoBase::ArchiveAndSteps(clone));
            }
            Some(archived) => archive(archived, archived.scenario.steps.len(), &clone),
            None => archive(loaded, at, &clone),
        };
        let mark = mark(expected, timestamp, &mut archive).ok_or_else(|| NoBase::NoMark(clone.clone()))?;
        archive.operator.versions = vec![operator.to_owned()];
        archive.expect = expect_running(created(&archive.steps));
        let mut whole = Scenario {
            name: String::new(),
            about: "The restore without a fault.".to_owned(),
            issue: None,
            world: None,
            archive: Some(format!("{ARCHIVE}.yaml")),
            clusters: BTreeMap::from([(clone.clone(), manifest.clone())]),
            steps: vec![Step::Create(clone.clone())],
            told_apart_from: Vec::new(),
            ..scenario.clone()
        };
        whole.operator.versions = vec![operator.to_owned()];
        let mut expect = Expect { operator: scenario.expect.operator.clone(), ..Expect::default() };
        let clone_expected = ClusterExpectation {
            data: Some(DataExpectation { equals: Some(mark.clone()), ..DataExpectation::default() }),
            logs: expected.map(|expected| expected.logs.clone()).unwrap_or_default(),
            ..running()
        };
        expect.clusters.insert(clone.clone(), clone_expected);
        whole.expect = expect;
        Ok(Base { clone, mark, archive: named(archive, ARCHIVE), whole })
    }

    /// The restore with this fault before it; without one where there is none.
    pub fn scenario(&self, name: &str, about: &str, fault: Option<Step>) -> Scenario {
        let mut scenario = named(self.whole.clone(), name);
        about.clone_into(&mut scenario.about);
        if let Some(fault) = fault {
            scenario.steps.insert(0, fault);
        }
        scenario
    }
}

fn named(mut scenario: Scenario, slug: &str) -> Scenario {
    scenario.name = format!("{GROUP}-{slug}");
    scenario
}

/// Its own faults are left out: others come in their place.
fn is_fault(step: &Step) -> bool {
    matches!(step, Step::Fault(_) | Step::Heal(_) | Step::LoseAccount(_) | Step::RotateKey(_))
}

fn is_clone(manifest: &Value) -> bool {
    manifest.pointer("/spec/clone/cluster").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
}

/// What is done before the clone; SQL from files stands in it, since it is written elsewhere.
fn archive(loaded: &LoadedScenario, until: usize, clone: &str) -> Scenario {
    let inline = |step: &Step| match step {
        Step::Sql(sql) => {
            Step::Sql(SqlStep { run: Some(loaded.sql(sql).to_owned()), file: None, ..sql.clone() })
        }
        other => other.clone(),
    };
    let mut scenario = loaded.scenario.clone();
    scenario.steps = scenario.steps[..until].iter().map(inline).collect();
    scenario.clusters.remove(clone);
    // What no step before makes, is nobody's to clone from.
    let made: Vec<String> = created(&scenario.steps);
    scenario.clusters.retain(|name, _| made.contains(name));
    (scenario.world, scenario.archive, scenario.issue) = (None, None, None);
    scenario.told_apart_from = Vec::new();
    "What is there before the restore.".clone_into(&mut scenario.about);
    scenario
}

fn created(steps: &[Step]) -> Vec<String> {
    let created = steps.iter().filter_map(|step| match step {
        Step::Create(name) | Step::RestoreInPlace(RestoreInPlaceStep { with: name, .. }) => {
            Some(name.clone())
        }
        _ => None,
    });
    created.collect()
}

/// The mark that the clone has to equal; made at the archive's end where it is held against a cluster as that is then.
fn mark(expected: Option<&ClusterExpectation>, timestamp: &str, archive: &mut Scenario) -> Option<String> {
    let marks: Vec<String> = archive
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Mark(mark) => Some(mark.name.clone()),
            _ => None,
        })
        .collect();
    let of_time = timestamp.strip_prefix("${marks.").and_then(|rest| rest.strip_suffix(".time}"));
    let equals = expected.and_then(|expected| expected.data.as_ref()?.equals.clone());
    match equals {
        Some(name) if marks.contains(&name) => Some(name),
        Some(cluster) if archive.clusters.contains_key(&cluster) => {
            archive.steps.push(Step::Mark(MarkStep { on: cluster, name: AT_THE_END.to_owned() }));
            Some(AT_THE_END.to_owned())
        }
        _ => of_time.filter(|name| marks.iter().any(|mark| mark == name)).map(ToOwned::to_owned),
    }
}

fn running() -> ClusterExpectation {
    ClusterExpectation {
        outcome: ClusterOutcome::Running,
        because: None,
        data: None,
        follows: None,
        reads: None,
        writes: None,
        backups: None,
        writes_into_archives_of: None,
        env: BTreeMap::new(),
        logs: LogsExpectation::default(),
    }
}

fn expect_running(clusters: Vec<String>) -> Expect {
    let clusters = clusters.into_iter().map(|name| (name, running())).collect();
    Expect { clusters, ..Expect::default() }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::observe::catalogue;
    use crate::scenario::{Checks, ScenarioError, load};

    fn checks() -> Checks<'static> {
        Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() }
    }

    fn shipped(name: &str) -> LoadedScenario {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        load(&folder.join(format!("{name}.yaml")), &checks()).unwrap()
    }

    fn written(folder: &Path, slug: &str, scenario: &Scenario) -> PathBuf {
        let path = folder.join(format!("{slug}.yaml"));
        std::fs::write(&path, crate::yaml::text(&serde_json::to_value(scenario).unwrap())).unwrap();
        path
    }

    /// All that is written is as sound as what a person writes.
    fn is_sound(base: &Base) -> Result<(), ScenarioError> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join(GROUP);
        std::fs::create_dir_all(&folder).unwrap();
        written(&folder, ARCHIVE, &base.archive);
        let target = super::super::Target {
            clone: base.clone.clone(),
            read: base.archive.storage.accounts[0].clone(),
            written: base.archive.storage.accounts.last().cloned(),
        };
        load(&written(&folder, "no-fault", &base.scenario("no-fault", "Nothing.", None)), &checks())?;
        for fault in super::super::faults() {
            let scenario = base.scenario(fault.name, &fault.about, fault.step(&target));
            load(&written(&folder, fault.name, &scenario), &checks())?;
        }
        Ok(())
    }

    #[test]
    fn what_is_made_of_shipped_scenarios_is_sound() {
        for name in ["clone/into-another-account", "clone/same-account", "sabotage/part-deleted"] {
            let loaded = shipped(name);
            // That of a scenario of sabotage is not expected to run.
            let base = Base::of(&loaded, "v1.15.1");
            if name == "sabotage/part-deleted" {
                assert_eq!(base.unwrap_err(), NoBase::NotRunning("clone".to_owned()));
                continue;
            }
            let base = base.unwrap();
            assert_eq!((base.clone.as_str(), base.mark.as_str()), ("clone", "before-mistake"), "{name}");
            is_sound(&base).unwrap_or_else(|error| panic!("{name}: {:?}", miette::Report::new(error)));
        }
        let base = Base::of(&shipped("sabotage/metadata-deleted"), "v1.15.1").unwrap();
        is_sound(&base).unwrap();
    }

    #[test]
    fn what_reads_no_backup_or_is_to_fail_is_refused() {
        let refused = |name: &str| Base::of(&shipped(name), "v1.15.1").unwrap_err();
        assert_eq!(refused("clone/from-running-source"), NoBase::FromRunning("clone".to_owned()));
        assert_eq!(refused("clone/wrong-key"), NoBase::NotRunning("clone".to_owned()));
        assert_eq!(refused("sabotage/archive"), NoBase::NoClone);
    }
}

//! The steps in their order: each may only use what earlier ones made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::problem::{ProblemKind, What};
use super::super::types::{
    ApplyStep, CatchUpStep, CopyAccountStep, MarkStep, RestoreInPlaceStep, SetSecretStep, SqlStep, Step,
};
use super::fault::Faults;
use super::texts::Scope;
use super::{Checker, name_problem};
use crate::yaml::child;

/// What exists when a step begins.
#[derive(Default)]
struct SoFar<'a> {
    /// Created at some time, deleted or not: their UIDs stay known.
    created: BTreeSet<&'a str>,
    deleted: BTreeSet<&'a str>,
    /// Clusters that a step used too early or too late: said once, not at each further step.
    misused: BTreeSet<&'a str>,
    marks: BTreeSet<&'a str>,
    lost_accounts: BTreeSet<&'a str>,
    rotated_keys: BTreeSet<&'a str>,
    faults: Faults<'a>,
    /// Short names by `metadata.name`, of the clusters that are there.
    manifest_names: BTreeMap<&'a str, &'a str>,
}

impl SoFar<'_> {
    fn scope(&self) -> Scope<'_> {
        Scope::AtStep { created: &self.created, marks: &self.marks }
    }
}

fn mark_of(step: &Step) -> Option<&str> {
    match step {
        Step::Mark(mark) => Some(&mark.name),
        _ => None,
    }
}

impl<'a> Checker<'a> {
    pub(super) fn steps(&mut self) {
        let loaded = self.loaded;
        let mut world = SoFar::default();
        if let Some(archived) = loaded.archived() {
            world.created = self.archived.clone();
            world.deleted = self.archived.clone();
            world.marks = archived.steps.iter().filter_map(mark_of).collect();
        }
        for (index, step) in loaded.scenario.steps.iter().enumerate() {
            let at = format!("/steps/{index}");
            match step {
                Step::Create(cluster) => self.create(&format!("{at}/create"), cluster, &mut world),
                Step::Sql(sql) => self.sql(&format!("{at}/sql"), sql, &mut world),
                Step::Backup(cluster) => self.running(&format!("{at}/backup"), cluster, &mut world),
                Step::Mark(mark) => self.mark(&format!("{at}/mark"), mark, &mut world),
                Step::Delete(cluster) => self.delete(&format!("{at}/delete"), cluster, &mut world),
                Step::Apply(apply) => self.apply(&format!("{at}/apply"), apply, &mut world),
                Step::SetSecret(set) => self.set_secret(&format!("{at}/set-secret"), set, &world),
                Step::Failover(cluster) => self.failover(&format!("{at}/failover"), cluster, &mut world),
                Step::CatchUp(step) => self.catch_up(&format!("{at}/catch-up"), step, &mut world),
                Step::Restart(cluster) => self.running(&format!("{at}/restart"), cluster, &mut world),
                Step::RestoreInPlace(step) => {
                    self.restore_in_place(&format!("{at}/restore-in-place"), step, &mut world);
                }
                Step::Fault(fault) => self.fault(&format!("{at}/fault"), fault, &mut world.faults),
                Step::Heal(name) => self.heal(&format!("{at}/heal"), name, &mut world.faults),
                Step::CopyAccount(copy) => self.copy_account(&format!("{at}/copy-account"), copy, &world),
                Step::LoseAccount(account) => {
                    self.account(&format!("{at}/lose-account"), account, &world);
                    world.lost_accounts.insert(account);
                }
                Step::RotateKey(account) => {
                    let at = format!("{at}/rotate-key");
                    self.account(&at, account, &world);
                    if !world.rotated_keys.insert(account) {
                        let what = format!("the key of `{account}` was rotated by an earlier step");
                        self.add(&at, ProblemKind::Contradiction(what), None);
                    }
                }
                Step::UpgradeOperator(version) => {
                    self.operator_version(&format!("{at}/upgrade-operator"), version);
                }
            }
        }
    }

    fn create(&mut self, at: &str, cluster: &'a str, world: &mut SoFar<'a>) {
        if !self.known(at, What::Cluster, cluster, &self.cluster_names()) {
            return;
        }
        if world.created.contains(cluster) {
            let kind = ProblemKind::Duplicate { what: What::Cluster, name: cluster.to_owned() };
            let help = "a cluster is created once, so that its UID says which is meant: give the second one a name of its own";
            self.add(at, kind, Some(help.to_owned()));
            return;
        }
        let manifest = &self.loaded.scenario.clusters[cluster];
        self.texts(&child("/clusters", cluster), manifest, &world.scope());
        if let Some(name) = manifest.pointer("/metadata/name").and_then(Value::as_str) {
            if let Some(by) = world.manifest_names.get(name) {
                let kind = ProblemKind::ManifestNameTaken { name: name.to_owned(), by: (*by).to_owned() };
                self.add(at, kind, Some(format!("delete `{by}` before, or give them different names")));
            }
            world.manifest_names.insert(name, cluster);
        }
        world.created.insert(cluster);
    }

    /// The cluster must exist when the step begins.
    fn running(&mut self, at: &str, cluster: &'a str, world: &mut SoFar<'a>) {
        if !self.known(at, What::Cluster, cluster, &self.cluster_names()) {
            return;
        }
        let there = world.created.contains(cluster) && !world.deleted.contains(cluster);
        if there || !world.misused.insert(cluster) {
            return;
        }
        if world.deleted.contains(cluster) {
            self.add(at, ProblemKind::AlreadyDeleted(cluster.to_owned()), None);
        } else {
            let help = format!("a step `- create: {cluster}` must come first");
            self.add(at, ProblemKind::NotCreatedYet(cluster.to_owned()), Some(help));
        }
    }

    fn delete(&mut self, at: &str, cluster: &'a str, world: &mut SoFar<'a>) {
        self.running(at, cluster, world);
        world.deleted.insert(cluster);
        world.manifest_names.retain(|_, by| *by != cluster);
    }

    fn apply(&mut self, at: &str, apply: &'a ApplyStep, world: &mut SoFar<'a>) {
        self.running(&format!("{at}/to"), &apply.to, world);
        let pointer = format!("{at}/changes");
        if apply.changes.is_empty() {
            self.add(&pointer, ProblemKind::Contradiction("nothing is changed".to_owned()), None);
        }
        for field in ["apiVersion", "kind", "metadata/name"] {
            let changes = apply.changes.get(field.split('/').next().unwrap_or_default());
            let changes = changes.and_then(|first| match field.split_once('/') {
                Some((_, second)) => first.get(second),
                None => Some(first),
            });
            if changes.is_some() {
                let kind = ProblemKind::Contradiction(format!(
                    "`{}` says which object it is",
                    field.replace('/', ".")
                ));
                self.add_at_key(&format!("{pointer}/{field}"), kind, Some("take it out".to_owned()));
            }
        }
        for (name, value) in &apply.changes {
            self.texts(&child(&pointer, name), value, &world.scope());
        }
    }

    fn set_secret(&mut self, at: &str, set: &SetSecretStep, world: &SoFar<'_>) {
        let objects = &self.loaded.scenario.objects;
        let secrets = objects.iter().filter(|object| object["kind"] == "Secret");
        let names: Vec<&str> = secrets.filter_map(|secret| secret["metadata"]["name"].as_str()).collect();
        self.known(&format!("{at}/name"), What::Secret, &set.name, &names);
        let pointer = format!("{at}/values");
        if set.values.is_empty() {
            self.add(&pointer, ProblemKind::Contradiction("no value is set".to_owned()), None);
        }
        for (key, value) in &set.values {
            self.text(&child(&pointer, key), value, &world.scope());
        }
    }

    fn failover(&mut self, at: &str, cluster: &'a str, world: &mut SoFar<'a>) {
        self.running(at, cluster, world);
        let steps = &self.loaded.scenario.steps;
        let scaled = steps.iter().any(|step| matches!(step, Step::Apply(apply) if apply.to == cluster));
        let manifest = self.loaded.scenario.clusters.get(cluster);
        let instances = manifest.and_then(|manifest| manifest.pointer("/spec/numberOfInstances")?.as_u64());
        if !scaled && instances.is_some_and(|instances| instances < 2) {
            let kind =
                ProblemKind::Contradiction(format!("`{cluster}` has no replica that could take the lead"));
            self.add(at, kind, Some("give it `numberOfInstances: 2`".to_owned()));
        }
    }

    fn catch_up(&mut self, at: &str, step: &'a CatchUpStep, world: &mut SoFar<'a>) {
        self.running(&format!("{at}/on"), &step.on, world);
        let marks: Vec<&str> = world.marks.iter().copied().collect();
        let pointer = format!("{at}/to");
        let marked = self.loaded.scenario.steps.iter().find_map(|of| match of {
            Step::Mark(mark) if mark.name == step.to => Some(mark),
            _ => None,
        });
        if self.known(&pointer, What::Mark, &step.to, &marks) && marked.is_some_and(|mark| mark.on == step.on)
        {
            let kind = ProblemKind::Contradiction(format!("`{}` was taken on this cluster itself", step.to));
            self.add(&pointer, kind, Some("name a mark on the cluster that it follows".to_owned()));
        }
    }

    fn restore_in_place(&mut self, at: &str, step: &'a RestoreInPlaceStep, world: &mut SoFar<'a>) {
        let clusters = &self.loaded.scenario.clusters;
        let name = |short: &str| clusters.get(short)?.pointer("/metadata/name")?.as_str();
        self.delete(&format!("{at}/of"), &step.of, world);
        if let (Some(of), Some(with)) = (name(&step.of), name(&step.with))
            && of != with
        {
            let what = format!("`{}` is called `{with}`, and `{}` is called `{of}`", step.with, step.of);
            let help = "a restore in place has the name of what it replaces; for another name, use `create`";
            self.add(&format!("{at}/with"), ProblemKind::Contradiction(what), Some(help.to_owned()));
        }
        self.create(&format!("{at}/with"), &step.with, world);
    }

    fn sql(&mut self, at: &str, sql: &'a SqlStep, world: &mut SoFar<'a>) {
        self.running(&format!("{at}/on"), &sql.on, world);
        let text = match (&sql.run, &sql.file) {
            (Some(run), None) => Some((format!("{at}/run"), run.clone())),
            (None, Some(file)) => {
                self.sql_file(&format!("{at}/file"), file).map(|text| (format!("{at}/file"), text))
            }
            (Some(_), Some(_)) => {
                let kind = ProblemKind::SqlSource("a sql step has either `run` or `file`, not both");
                self.add(&format!("{at}/file"), kind, None);
                None
            }
            (None, None) => {
                let kind = ProblemKind::SqlSource("a sql step has no statements: give `run` or `file`");
                self.add(at, kind, None);
                None
            }
        };
        if let Some((pointer, text)) = text {
            self.text(&pointer, &text, &world.scope());
        }
    }

    /// Reads a file of statements once, and keeps it for the drill.
    fn sql_file(&mut self, at: &str, file: &str) -> Option<String> {
        if let Some(text) = self.loaded.sql_file(file) {
            return Some(text.to_owned());
        }
        let folder = self.loaded.file.parent().unwrap_or(std::path::Path::new(""));
        match std::fs::read_to_string(folder.join(file)) {
            Ok(text) => {
                self.sql_files.insert(file.to_owned(), text.clone());
                Some(text)
            }
            Err(error) => {
                let kind = ProblemKind::MissingFile { file: file.to_owned(), why: error.to_string() };
                self.add(at, kind, Some("it is looked for from the scenario file's folder".to_owned()));
                None
            }
        }
    }

    fn mark(&mut self, at: &str, mark: &'a MarkStep, world: &mut SoFar<'a>) {
        self.running(&format!("{at}/on"), &mark.on, world);
        let pointer = format!("{at}/as");
        let name = mark.name.clone();
        if let Some(why) = name_problem(&name) {
            self.add(&pointer, ProblemKind::BadName { what: What::Mark, name: name.clone(), why }, None);
        }
        if self.loaded.scenario.clusters.contains_key(&name) {
            let why = "a cluster has this name, and `equals` takes both";
            self.add(&pointer, ProblemKind::BadName { what: What::Mark, name: name.clone(), why }, None);
        }
        if !world.marks.insert(&mark.name) {
            self.add(&pointer, ProblemKind::Duplicate { what: What::Mark, name }, None);
        }
    }

    fn copy_account(&mut self, at: &str, copy: &CopyAccountStep, world: &SoFar<'_>) {
        self.account(&format!("{at}/from"), &copy.from, world);
        self.account(&format!("{at}/to"), &copy.to, world);
        if copy.from == copy.to {
            let kind = ProblemKind::Contradiction("an account is copied into itself".to_owned());
            self.add(&format!("{at}/to"), kind, None);
        }
    }

    fn account(&mut self, at: &str, account: &str, world: &SoFar<'_>) {
        if self.known(at, What::Account, account, &self.account_names())
            && world.lost_accounts.contains(account)
        {
            self.add(at, ProblemKind::AccountLost(account.to_owned()), None);
        }
    }
}

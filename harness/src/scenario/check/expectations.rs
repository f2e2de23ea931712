//! What must come out: only of clusters that are created, in words that exist.

use std::collections::BTreeMap;

use super::super::folder::Location;
use super::super::problem::{ProblemKind, What};
use super::super::types::{ClusterExpectation, ClusterOutcome, EnvExpectation};
use super::Checker;
use super::texts::Scope;
use crate::yaml::child;

impl Checker<'_> {
    pub(super) fn expectations(&mut self) {
        let scenario = &self.loaded.scenario;
        self.clusters_of("/expect", &scenario.expect.clusters);
        self.reasons();
        self.snapshots();
        self.catalogue_names("/expect/operator/logs/known", &scenario.expect.operator.logs.known);
        self.catalogue_names("/expect/operator/logs/may", &scenario.expect.operator.logs.may);
        for (index, other) in scenario.told_apart_from.iter().enumerate() {
            self.clusters_of(&format!("/told-apart-from/{index}"), other);
        }
    }

    fn clusters_of(&mut self, at: &str, clusters: &BTreeMap<String, ClusterExpectation>) {
        for (name, expectation) in clusters {
            let pointer = child(at, name);
            let names = self.cluster_names();
            self.known_key(&pointer, What::Cluster, name, &names);
            self.cluster(&pointer, name, expectation);
        }
    }

    /// They are written beside the folder `scenarios`; without that, nobody knows where they would come to stand.
    fn snapshots(&mut self) {
        let asked = !self.loaded.scenario.expect.snapshots.is_empty();
        if asked && Location::of(&self.loaded.file).snapshots().is_none() {
            let help = "move the file to `scenarios/<group>/`; its snapshots are then written to `snapshots/<group>/` beside \
                        `scenarios`. Or leave `snapshots` out";
            self.add_at_key("/expect/snapshots", ProblemKind::OutsideOfScenarios, Some(help.to_owned()));
        }
    }

    /// A failure that nobody knows the reason of may be another one than the scenario is about.
    fn reasons(&mut self) {
        for (name, expectation) in &self.loaded.scenario.expect.clusters {
            if fails(expectation.outcome) && expectation.because.is_none() {
                let kind = ProblemKind::MissingField("because".to_owned());
                let help = "say which of the catalogue's messages shows why it fails".to_owned();
                self.add_at_key(&child("/expect", name), kind, Some(help));
            }
        }
    }

    fn cluster(&mut self, at: &str, cluster: &str, expectation: &ClusterExpectation) {
        let fails = fails(expectation.outcome);
        if let Some(because) = &expectation.because {
            if fails {
                self.catalogue_names(&format!("{at}/because"), std::slice::from_ref(because));
            } else {
                let kind =
                    ProblemKind::Contradiction("`because` goes with an outcome that is a failure".to_owned());
                self.add_at_key(&format!("{at}/because"), kind, None);
            }
        }
        if let Some(data) = &expectation.data {
            if fails {
                let kind = ProblemKind::Contradiction("a cluster that never comes up has no data".to_owned());
                self.add_at_key(&format!("{at}/data"), kind, None);
            }
            if data.equals.is_none() && data.differs_from.is_none() && data.same_rows_as.is_none() {
                let kind = ProblemKind::Contradiction("nothing is expected of its data".to_owned());
                let help = "give `equals`, `same-rows-as` or `differs-from`, or take `data` out".to_owned();
                self.add_at_key(&format!("{at}/data"), kind, Some(help));
            }
            let known: Vec<&str> = self.marks.iter().copied().chain(self.cluster_names()).collect();
            for (field, name) in [
                ("equals", &data.equals),
                ("differs-from", &data.differs_from),
                ("same-rows-as", &data.same_rows_as),
            ] {
                if name.as_deref() == Some(cluster) {
                    let kind = ProblemKind::Contradiction("a cluster is always equal to itself".to_owned());
                    self.add(&format!("{at}/data/{field}"), kind, None);
                } else if let Some(name) = name {
                    self.known(&format!("{at}/data/{field}"), What::MarkOrCluster, name, &known);
                }
            }
        }
        if let Some(follows) = &expectation.follows {
            let pointer = format!("{at}/follows");
            if !matches!(expectation.outcome, ClusterOutcome::Following | ClusterOutcome::LagsBehind) {
                let kind = ProblemKind::Contradiction(
                    "`follows` goes with the outcomes `following` and `lags-behind`".to_owned(),
                );
                self.add_at_key(&pointer, kind, None);
            }
            if follows.cluster == cluster {
                let kind = ProblemKind::Contradiction("no cluster follows itself".to_owned());
                self.add(&format!("{pointer}/cluster"), kind, None);
            } else {
                self.known(
                    &format!("{pointer}/cluster"),
                    What::Cluster,
                    &follows.cluster,
                    &self.cluster_names(),
                );
            }
        }
        for (field, accounts) in [("reads", &expectation.reads), ("writes", &expectation.writes)] {
            for (index, account) in accounts.iter().flatten().enumerate() {
                let pointer = format!("{at}/{field}/{index}");
                self.known(&pointer, What::Account, account, &self.account_names());
            }
        }
        for (index, other) in expectation.writes_into_archives_of.iter().flatten().enumerate() {
            let pointer = format!("{at}/writes-into-archives-of/{index}");
            if other == cluster {
                let kind = ProblemKind::Contradiction("its own archive is no other cluster's".to_owned());
                self.add(&pointer, kind, None);
            } else {
                self.known(&pointer, What::Cluster, other, &self.cluster_names());
            }
        }
        for (name, env) in &expectation.env {
            self.env(&child(&format!("{at}/env"), name), env);
        }
        self.catalogue_names(&format!("{at}/logs/known"), &expectation.logs.known);
        self.catalogue_names(&format!("{at}/logs/may"), &expectation.logs.may);
    }

    fn env(&mut self, at: &str, env: &EnvExpectation) {
        let asked = [
            env.value.is_some(),
            env.absent,
            env.listed.is_some(),
            env.written.is_some(),
            env.from.is_some(),
        ];
        if !asked.contains(&true) {
            let kind = ProblemKind::Contradiction("nothing is expected of this variable".to_owned());
            let help =
                "give `value`, `absent: true`, `listed`, `written` or `from`, or take it out".to_owned();
            self.add_at_key(at, kind, Some(help));
        }
        if let Some(value) = &env.value {
            self.text(&format!("{at}/value"), value, &Scope::AtEnd);
            if env.absent {
                let kind = ProblemKind::Contradiction("a variable that is absent has no value".to_owned());
                self.add(&format!("{at}/value"), kind, None);
            }
        }
    }

    /// `at` is the list's pointer, or that of its only name.
    fn catalogue_names(&mut self, at: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            let item = format!("{at}/{index}");
            self.known(&item, What::CatalogueEntry, name, self.checks.catalogue);
        }
    }
}

fn fails(outcome: ClusterOutcome) -> bool {
    matches!(outcome, ClusterOutcome::BootstrapFails | ClusterOutcome::CannotStart | ClusterOutcome::Rejected)
}

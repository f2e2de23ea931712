//! Holds what was seen against what was expected. Knows nothing of how either came about.

mod archives;
mod data;
mod follows;
mod refused;
mod unasked;

use std::collections::BTreeMap;

use self::archives::lists_differ;
use self::refused::repeats;
use super::error::DrillError;
use super::outcome::Outcome;
use super::outcome::standby::Lag;
use super::own_place::OwnPlace;
use crate::observe::catalogue::{self, Level};
use crate::observe::data::DataObservation;
use crate::observe::env::EnvObservation;
use crate::observe::logs::{self, LogObservation, Owner};
use crate::observe::storage::StorageObservation;
use crate::report::{ClusterSummary, Finding};
use crate::scenario::{
    ClusterExpectation, ClusterOutcome, EnvExpectation, EnvForm, EnvOrigin, Expect, OwnBackups,
};
use crate::snapshot::redact::Redactor;
pub(super) use data::Comparisons;

/// Evidence is for reading: the files have the rest.
const EVIDENCE_LINES: usize = 12;
/// All observations of one drill.
#[derive(Debug)]
pub(super) struct Observed {
    pub clusters: BTreeMap<String, ObservedCluster>,
    pub marks: BTreeMap<String, DataObservation>,
    pub logs: LogObservation,
    pub storage: StorageObservation,
    /// Knows what nobody may read, so that it is gone before a text is cut short.
    pub redactor: Redactor,
    /// Data that were held against each other so far.
    pub comparisons: Comparisons,
}

/// What was seen of one cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedCluster {
    pub outcome: Option<Outcome>,
    /// At the drill's end, where it still ran.
    pub data: Option<DataObservation>,
    pub env: Option<EnvObservation>,
    /// Where it keeps its own backups.
    pub own: Option<OwnPlace>,
    /// What was last seen of one that ran and did not any more at the drill's end.
    pub stopped: Option<String>,
    /// Its pods at the drill's end.
    pub pods: Vec<String>,
    /// How far behind the cluster that it follows it was at the drill's end.
    pub lag: Option<Lag>,
    /// It archives, and no base backup of it came into the storage.
    pub without_backup: bool,
}

/// Something that is not as expected.
struct Miss {
    finding: Finding,
    /// False where nothing was seen that speaks for or against it: enough to fail a drill, and no proof of anything.
    seen: bool,
    /// The one thing that shows it, where there are several.
    proof: Option<String>,
}

fn seen(finding: Finding) -> Miss {
    Miss { finding, seen: true, proof: None }
}

fn unseen(finding: Finding) -> Miss {
    Miss { finding, seen: false, proof: None }
}

impl Observed {
    /// Everything that is not as expected, most telling first. `value` makes of a variable's name and expected
    /// value what an observation would show: `${…}` filled in, secrets as fingerprints.
    ///
    /// # Errors
    /// When kept rows cannot be read back.
    pub(super) fn judge(
        &self,
        expect: &Expect,
        value: &dyn Fn(&str, &str) -> String,
    ) -> Result<Vec<Finding>, DrillError> {
        let mut findings = Vec::new();
        for (short, expected) in &expect.clusters {
            findings.extend(self.cluster(short, expected, value)?.into_iter().map(|miss| miss.finding));
        }
        // One that nobody expects anything of should run: else it would be there for nothing.
        for (short, seen) in self.clusters.iter().filter(|(short, _)| !expect.clusters.contains_key(*short)) {
            findings.extend(outcome(short, ClusterOutcome::Running, seen).map(|miss| miss.finding));
        }
        findings.extend(self.strangers(expect));
        for short in self.clusters.keys() {
            let expected = expect.clusters.get(short);
            let known = expected.map(known).unwrap_or_default();
            let required = expected.map(|expected| expected.logs.known.as_slice()).unwrap_or_default();
            let logged = self.logs(&Owner::Cluster(short.clone()), &known, required);
            let new = logged.into_iter().filter(|one| !repeats(one, &findings, short));
            let new: Vec<Finding> = new.collect();
            findings.extend(new);
        }
        let required = &expect.operator.logs.known;
        let known = [required.clone(), expect.operator.logs.may.clone()].concat();
        findings.extend(self.logs(&Owner::Operator, &known, required));
        for owner in self.logs.owners().into_iter().filter(|owner| matches!(owner, Owner::Pod(_))) {
            findings.extend(self.logs(owner, &[], &[]));
        }
        findings.extend(self.unheard());
        findings.extend(self.without_backup(expect));
        Ok(self.with_refusals(findings, &expect.clusters))
    }

    /// Holds one alternative against the same observations: a line that says how it was told apart, or nothing
    /// where everything in it holds. Unexpected log lines do not count: they would tell anything apart. Nor does what was
    /// not seen.
    ///
    /// # Errors
    /// As [`Observed::judge`].
    pub(super) fn told_apart(
        &self,
        alternative: &BTreeMap<String, ClusterExpectation>,
        value: &dyn Fn(&str, &str) -> String,
    ) -> Result<Option<String>, DrillError> {
        for (short, expected) in alternative {
            let misses = self.cluster(short, expected, value)?;
            if let Some(Miss { finding, proof, .. }) = misses.iter().find(|miss| miss.seen) {
                let proof = proof.as_ref().map(|proof| format!(": {proof}")).unwrap_or_default();
                let Finding { subject, expected, seen, .. } = finding;
                return Ok(Some(format!("{subject}: not {expected}, but {seen}{proof}")));
            }
        }
        Ok(None)
    }

    /// One line of the report for each cluster.
    pub(super) fn summaries(&self, expect: &Expect) -> Result<Vec<ClusterSummary>, DrillError> {
        let mut summaries = Vec::new();
        for (short, cluster) in &self.clusters {
            let data = expect.clusters.get(short).and_then(|expected| expected.data.as_ref());
            let refused = self.refused_by(short);
            summaries.push(ClusterSummary {
                cluster: short.clone(),
                outcome: cluster
                    .outcome
                    .as_ref()
                    .map_or("not evident", |outcome| name(outcome.kind))
                    .to_owned(),
                data: self.data_summary(short, cluster, data)?,
                reads: self.reads(short).difference(&refused).cloned().collect(),
                writes: self.storage.writes(short).into_iter().collect(),
                refused: refused.into_iter().collect(),
                follows: cluster.lag.as_ref().map(follows::summary),
                said: self.said(short),
                refusal: self.refusals(short).map(|(name, _)| name.to_owned()),
            });
        }
        Ok(summaries)
    }

    /// The errors in the logs of a cluster that no catalogue excuses, by their names.
    fn said(&self, short: &str) -> Vec<String> {
        let owner = Owner::Cluster(short.to_owned());
        let errors = self.logs.messages().iter().filter(|message| {
            let excused = message.entry.is_some_and(|entry| entry.standing.excuses());
            message.owner == owner && message.level == Level::Error && !excused
        });
        let mut names: Vec<String> =
            errors.map(|message| message.entry.map_or("unknown", |entry| entry.name).to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Everything about one cluster but its unexpected log lines.
    fn cluster(
        &self,
        short: &str,
        expected: &ClusterExpectation,
        value: &dyn Fn(&str, &str) -> String,
    ) -> Result<Vec<Miss>, DrillError> {
        let nothing = ObservedCluster::default();
        let cluster = self.clusters.get(short).unwrap_or(&nothing);
        let mut misses = Vec::new();
        misses.extend(outcome(short, expected.outcome, cluster));
        misses.extend(self.because(short, expected, cluster));
        if let Some(data) = &expected.data {
            misses.extend(self.data(short, data, cluster)?);
        }
        misses.extend(follows::misses(short, expected, cluster));
        // One that follows another archives nothing, so that whatever it changes is a fault unless somebody expects it.
        let follows = expected.outcome == ClusterOutcome::Following;
        let writes = expected.writes.clone().or(follows.then(Vec::new));
        let lists = [
            ("reads", "storage account", &expected.reads, self.reads(short)),
            ("writes", "storage account", &writes, self.storage.writes(short)),
            (
                "writes into archives of",
                "other cluster",
                &expected.writes_into_archives_of,
                self.archives_written(short),
            ),
        ];
        for (verb, what, expected, found) in lists {
            if let Some(expected) = expected {
                misses.extend(lists_differ(short, verb, what, expected, &found).map(seen));
            }
        }
        if expected.backups == Some(OwnBackups::None) && !cluster.without_backup {
            let subject = format!("{short}: backups");
            misses.push(seen(Finding::new(
                subject,
                "none of its own in the storage",
                "one that is complete",
            )));
        }
        for (name, expected) in &expected.env {
            misses.extend(env(short, name, expected, cluster.env.as_ref(), value));
        }
        Ok(misses)
    }

    /// A refusal by the storage is the reason, whatever the log says then: WAL-G 1.1 lists no backups, exit code 0, where
    /// it was refused, so the log only knows that there are none.
    fn because(&self, short: &str, expected: &ClusterExpectation, cluster: &ObservedCluster) -> Option<Miss> {
        let name = expected.because.as_deref()?;
        let entry = catalogue::by_name(name);
        let miss = |said: String, evidence: Vec<String>| {
            seen(
                Finding::new(
                    format!("{short}: reason"),
                    format!("{name}{}", entry.map(|entry| format!(" ({})", entry.means)).unwrap_or_default()),
                    said,
                )
                .with_evidence(evidence),
            )
        };
        if let Some((refusal, lines)) = self.refusals(short) {
            let said = format!("{refusal}: the storage itself refused");
            return (name != refusal).then(|| miss(said, lines));
        }
        let owner = Owner::Cluster(short.to_owned());
        let evidence = cluster.outcome.iter().flat_map(|outcome| &outcome.evidence);
        let in_evidence = evidence.clone().any(|line| logs::names(line).contains(&name));
        if in_evidence || self.logs.seen_by(&owner, name) {
            return None;
        }
        let said = "no line of its log says so".to_owned();
        let found = miss(said, evidence.take(EVIDENCE_LINES).cloned().collect());
        // Without a container there is no log: the evidence is all that was said.
        let heard = |outcome: &Outcome| {
            matches!(outcome.kind, ClusterOutcome::CannotStart | ClusterOutcome::Rejected)
                || self.logs.heard(&owner, None, None)
        };
        Some(Miss { seen: cluster.outcome.as_ref().is_some_and(heard), ..found })
    }
}

/// As it stands in a scenario.
pub(super) fn name(outcome: ClusterOutcome) -> &'static str {
    match outcome {
        ClusterOutcome::Running => "running",
        ClusterOutcome::Empty => "empty",
        ClusterOutcome::WrongCluster => "wrong-cluster",
        ClusterOutcome::TargetNotReached => "target-not-reached",
        ClusterOutcome::NotRestored => "not-restored",
        ClusterOutcome::Following => "following",
        ClusterOutcome::LagsBehind => "lags-behind",
        ClusterOutcome::BootstrapFails => "bootstrap-fails",
        ClusterOutcome::CannotStart => "cannot-start",
        ClusterOutcome::Rejected => "rejected",
    }
}

/// The errors that this expectation implies, beside those that it lists.
fn known(expected: &ClusterExpectation) -> Vec<String> {
    let mut known = [expected.logs.known.clone(), expected.logs.may.clone()].concat();
    known.extend(expected.because.clone());
    match expected.outcome {
        ClusterOutcome::BootstrapFails => {
            let implied = ["bootstrap-failed", "backup-fetch-failed", "recovery-failed", "standby-not-made"];
            known.extend(implied.map(str::to_owned));
        }
        ClusterOutcome::TargetNotReached => known.push("recovery-ended-before-target".to_owned()),
        _ => {}
    }
    known
}

fn outcome(short: &str, expected: ClusterOutcome, cluster: &ObservedCluster) -> Option<Miss> {
    let found = cluster.outcome.as_ref();
    let as_expected = found.is_some_and(|outcome| outcome.kind == expected);
    if as_expected && cluster.stopped.is_none() {
        return None;
    }
    let finding = Finding::new(
        format!("{short}: outcome"),
        name(expected).to_owned(),
        match (found, &cluster.stopped) {
            (Some(outcome), Some(last)) => {
                format!("{} at first, and at the end of the drill it did not run: {last}", name(outcome.kind))
            }
            (Some(outcome), None) => format!("{}: {}", name(outcome.kind), outcome.why),
            (None, _) => "nothing that tells what became of it".to_owned(),
        },
    )
    .with_evidence(
        found
            .map(|outcome| outcome.evidence.iter().take(EVIDENCE_LINES).cloned().collect())
            .unwrap_or_default(),
    );
    Some(Miss { seen: found.is_some() && !as_expected, ..seen(finding) })
}

fn env(
    short: &str,
    name: &str,
    expected: &EnvExpectation,
    observed: Option<&EnvObservation>,
    value: &dyn Fn(&str, &str) -> String,
) -> Vec<Miss> {
    let mut misses = Vec::new();
    let finding = |expected: String, seen: String| {
        Finding::new(format!("{short}: env {name}"), expected, seen)
            .with_help(format!("env/{short}.txt in the evidence folder lists all variables"))
    };
    let Some(observed) = observed else {
        let said = "env not known: the operator made no pod template".to_owned();
        return vec![unseen(finding("env to be known".to_owned(), said))];
    };
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            misses.push(seen(finding(format!("{what} {expected}"), format!("{what} {found}"))));
        }
    };
    if let Some(listed) = expected.listed {
        differs("listed times:", listed.to_string(), observed.listed(name).to_string());
    }
    if let Some(written) = expected.written {
        let found = observed.form(name).map_or("nowhere", EnvForm::name);
        differs("written as", written.name().to_owned(), found.to_owned());
    }
    if let Some(from) = expected.from {
        let found = observed.from(name).map_or("nowhere", EnvOrigin::name);
        differs("from", from.name().to_owned(), found.to_owned());
    }
    let wanted = match &expected.value {
        Some(text) => format!("`{}`", value(name, text)),
        None if expected.absent => "(absent)".to_owned(),
        None => return misses,
    };
    if observed.knows_container() {
        let found = observed.value(name).map_or("(absent)".to_owned(), |value| format!("`{value}`"));
        differs("value", wanted, found);
    } else {
        let said = "value not known: the container did not run when it was asked".to_owned();
        misses.push(unseen(finding(format!("value {wanted}"), said)));
    }
    misses
}

#[cfg(test)]
mod tests;

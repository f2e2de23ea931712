//! Holds what was seen against what was expected. Knows nothing of how either came about.

use std::collections::{BTreeMap, BTreeSet};

use super::error::DrillError;
use super::outcome::Outcome;
use super::own_place::OwnPlace;
use super::steps::summary;
use crate::observe::catalogue;
use crate::observe::data::{self, DataObservation};
use crate::observe::env::EnvObservation;
use crate::observe::logs::{LogObservation, Owner};
use crate::observe::storage::{Refused, StorageObservation};
use crate::report::{ClusterSummary, Finding};
use crate::scenario::{ClusterExpectation, ClusterOutcome, DataExpectation, EnvExpectation, Expect};
use crate::storage::{Access, Effect, Who};

/// Evidence is for reading: the files have the rest.
const EVIDENCE_LINES: usize = 12;
/// The catalogue's name for a storage account that does not take the key.
const KEY_REFUSED: &str = "storage-refuses-key";

/// All observations of one drill.
#[derive(Debug)]
pub struct Observed {
    pub clusters: BTreeMap<String, ObservedCluster>,
    pub marks: BTreeMap<String, DataObservation>,
    pub logs: LogObservation,
    pub storage: StorageObservation,
}

/// What was seen of one cluster.
#[derive(Debug, Clone, Default)]
pub struct ObservedCluster {
    pub outcome: Option<Outcome>,
    /// At the drill's end, where it still ran.
    pub data: Option<DataObservation>,
    pub env: Option<EnvObservation>,
    /// Where it keeps its own backups.
    pub own: Option<OwnPlace>,
}

impl Observed {
    /// Everything that is not as expected, most telling first. `value` makes of an expected value what an
    /// observation would show: `${…}` filled in, secrets as fingerprints.
    ///
    /// # Errors
    /// When kept rows cannot be read back.
    pub fn judge(&self, expect: &Expect, value: &dyn Fn(&str) -> String) -> Result<Vec<Finding>, DrillError> {
        let mut findings = Vec::new();
        for (short, expected) in &expect.clusters {
            findings.extend(self.cluster(short, expected, value)?);
        }
        for short in self.clusters.keys() {
            let expected = expect.clusters.get(short);
            let known = expected.map(known).unwrap_or_default();
            let required = expected.map(|expected| expected.logs.known.as_slice()).unwrap_or_default();
            findings.extend(self.logs(&Owner::Cluster(short.clone()), &known, required));
        }
        let known = &expect.operator.logs.known;
        findings.extend(self.logs(&Owner::Operator, known, known));
        Ok(findings)
    }

    /// Holds one alternative against the same observations: a line that says how it was told apart, or nothing
    /// where everything in it holds. Unexpected log lines do not count: they would tell anything apart.
    ///
    /// # Errors
    /// As [`Observed::judge`].
    pub fn told_apart(
        &self,
        alternative: &BTreeMap<String, ClusterExpectation>,
        value: &dyn Fn(&str) -> String,
    ) -> Result<Option<String>, DrillError> {
        for (short, expected) in alternative {
            if let Some(finding) = self.cluster(short, expected, value)?.first() {
                return Ok(Some(format!(
                    "{}: not {}, but {}",
                    finding.subject, finding.expected, finding.seen
                )));
            }
        }
        Ok(None)
    }

    /// One line of the report for each cluster.
    pub fn summaries(&self, expect: &Expect) -> Result<Vec<ClusterSummary>, DrillError> {
        let mut summaries = Vec::new();
        for (short, cluster) in &self.clusters {
            let data = expect.clusters.get(short).and_then(|expected| expected.data.as_ref());
            summaries.push(ClusterSummary {
                cluster: short.clone(),
                outcome: cluster
                    .outcome
                    .as_ref()
                    .map_or("not evident", |outcome| name(outcome.kind))
                    .to_owned(),
                data: self.data_summary(cluster, data)?,
                reads: self.reads(short).into_iter().collect(),
                writes: self.storage.writes(short).into_iter().collect(),
            });
        }
        Ok(summaries)
    }

    /// The accounts in which a cluster looked for backups. That it lists and reads its own ones, to take the next
    /// or to drop the oldest, says nothing about where it came from.
    fn reads(&self, short: &str) -> BTreeSet<String> {
        let own = self.clusters.get(short).and_then(|cluster| cluster.own.as_ref());
        let of_cluster = |access: &&Access| matches!(&access.who, Who::Cluster(name) if name == short);
        let all = self.storage.accesses().iter().filter(of_cluster);
        all.filter(|access| access.operation.effect() == Effect::Read)
            .filter(|access| !own.is_some_and(|own| own.holds(access)))
            .map(|access| access.account.clone())
            .collect()
    }

    fn data_summary(
        &self,
        cluster: &ObservedCluster,
        expected: Option<&DataExpectation>,
    ) -> Result<String, DrillError> {
        let Some(seen) = &cluster.data else { return Ok(String::new()) };
        let size = summary(seen);
        let other = expected.and_then(|expected| expected.equals.as_ref().or(expected.differs_from.as_ref()));
        let Some((name, other)) = other.and_then(|name| Some((name, self.data_of(name)?))) else {
            return Ok(size);
        };
        let equal = data::compare(seen, other)?.equal;
        Ok(format!("{} {name} ({size})", if equal { "equals" } else { "differs from" }))
    }

    fn data_of(&self, name: &str) -> Option<&DataObservation> {
        self.marks.get(name).or_else(|| self.clusters.get(name)?.data.as_ref())
    }

    /// Everything about one cluster but its unexpected log lines.
    fn cluster(
        &self,
        short: &str,
        expected: &ClusterExpectation,
        value: &dyn Fn(&str) -> String,
    ) -> Result<Vec<Finding>, DrillError> {
        let nothing = ObservedCluster::default();
        let seen = self.clusters.get(short).unwrap_or(&nothing);
        let mut findings = Vec::new();
        findings.extend(outcome(short, expected.outcome, seen));
        findings.extend(self.because(short, expected, seen));
        if let Some(data) = &expected.data {
            findings.extend(self.data(short, data, seen)?);
        }
        let accounts = [
            ("reads", &expected.reads, self.reads(short)),
            ("writes", &expected.writes, self.storage.writes(short)),
        ];
        for (verb, expected, seen) in accounts {
            if let Some(expected) = expected {
                findings.extend(accounts_differ(short, verb, expected, &seen));
            }
        }
        for (name, expected) in &expected.env {
            findings.extend(env(short, name, expected, seen.env.as_ref(), value));
        }
        Ok(findings)
    }

    /// A refusal by the storage is the reason, whatever the log says then: WAL-G 1.1 lists no backups, exit code 0, where
    /// it was refused, so the log only knows that there are none.
    fn because(&self, short: &str, expected: &ClusterExpectation, seen: &ObservedCluster) -> Option<Finding> {
        let name = expected.because.as_deref()?;
        let entry = catalogue::by_name(name);
        let finding = |seen: String, evidence: Vec<String>| Finding {
            subject: format!("{short}: reason"),
            expected: format!(
                "{name}{}",
                entry.map(|entry| format!(" ({})", entry.means)).unwrap_or_default()
            ),
            seen,
            evidence,
            help: String::new(),
        };
        let refusals = self.refusals(short);
        if !refusals.is_empty() {
            let seen = format!("{KEY_REFUSED}: the storage itself refused");
            return (name != KEY_REFUSED).then(|| finding(seen, refusals));
        }
        let owner = Owner::Cluster(short.to_owned());
        let evidence = seen.outcome.iter().flat_map(|outcome| &outcome.evidence);
        let in_evidence = entry
            .is_some_and(|entry| evidence.clone().any(|line| catalogue::first_match(entry, line).is_some()));
        if in_evidence || self.logs.seen_by(&owner, name) || self.logs.seen_by(&Owner::Operator, name) {
            return None;
        }
        Some(finding(
            "no line of its log says so".to_owned(),
            evidence.take(EVIDENCE_LINES).cloned().collect(),
        ))
    }

    /// What the storage refused to the cluster because of who asked, one line each.
    fn refusals(&self, short: &str) -> Vec<String> {
        let refused = self.storage.refused(short).into_iter().filter(|refused| refused.status == 403);
        let line = |refused: Refused| {
            format!(
                "{:?} in {}: {} {}",
                refused.operation, refused.account, refused.status, refused.error_code
            )
        };
        refused.map(line).collect()
    }

    fn data(
        &self,
        short: &str,
        expected: &DataExpectation,
        seen: &ObservedCluster,
    ) -> Result<Vec<Finding>, DrillError> {
        let mut findings = Vec::new();
        let comparisons = [(expected.equals.as_ref(), true), (expected.differs_from.as_ref(), false)];
        for (other, equal) in comparisons.into_iter().filter_map(|(other, equal)| Some((other?, equal))) {
            let wanted = if equal { format!("equal to {other}") } else { format!("different from {other}") };
            let finding = |seen: String, evidence: Vec<String>| Finding {
                subject: format!("{short}: data"),
                expected: wanted.clone(),
                seen,
                evidence,
                help: String::new(),
            };
            match (&seen.data, self.data_of(other)) {
                (None, _) => findings
                    .push(finding("it did not run at the end, so its data are not known".to_owned(), vec![])),
                (_, None) => {
                    findings.push(finding(format!("{other} did not run, so its data are not known"), vec![]))
                }
                (Some(seen), Some(other)) => {
                    let compared = data::compare(seen, other)?;
                    if compared.equal != equal {
                        let differences: Vec<String> =
                            compared.differences.iter().map(ToString::to_string).collect();
                        let said = match differences.len() {
                            0 => format!("they are equal: {}", summary(seen)),
                            count => format!("{count} differences"),
                        };
                        findings.push(finding(said, differences.into_iter().take(EVIDENCE_LINES).collect()));
                    }
                }
            }
        }
        Ok(findings)
    }

    /// Errors that nobody expects, and expected ones that did not come.
    fn logs(&self, owner: &Owner, known: &[String], required: &[String]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .logs
            .unexpected_errors(owner, known)
            .into_iter()
            .map(|message| Finding {
                subject: format!("{owner}: logs"),
                expected: "no error that the scenario does not expect".to_owned(),
                seen: match message.entry {
                    Some(entry) => format!("{} ({} times): {}", entry.name, message.count, entry.means),
                    None => format!("an error that is not in the catalogue ({} times)", message.count),
                },
                evidence: message
                    .examples
                    .iter()
                    .flat_map(|text| text.lines().map(str::to_owned))
                    .take(EVIDENCE_LINES)
                    .collect(),
                help: message.entry.map(|entry| entry.do_.to_owned()).unwrap_or_default(),
            })
            .collect();
        for name in required.iter().filter(|name| !self.logs.seen_by(owner, name)) {
            findings.push(Finding {
                subject: format!("{owner}: logs"),
                expected: format!("the known message {name}"),
                seen: "it was not logged".to_owned(),
                evidence: Vec::new(),
                help: format!("take `{name}` out of `logs.known` where it is not expected any more"),
            });
        }
        findings
    }
}

/// As it stands in a scenario.
pub fn name(outcome: ClusterOutcome) -> &'static str {
    match outcome {
        ClusterOutcome::Running => "running",
        ClusterOutcome::Empty => "empty",
        ClusterOutcome::WrongCluster => "wrong-cluster",
        ClusterOutcome::TargetNotReached => "target-not-reached",
        ClusterOutcome::BootstrapFails => "bootstrap-fails",
        ClusterOutcome::Rejected => "rejected",
    }
}

/// The errors that this expectation implies, beside those that it lists.
fn known(expected: &ClusterExpectation) -> Vec<String> {
    let mut known = expected.logs.known.clone();
    known.extend(expected.because.clone());
    match expected.outcome {
        ClusterOutcome::BootstrapFails => known.push("bootstrap-failed".to_owned()),
        ClusterOutcome::TargetNotReached => known.push("recovery-ended-before-target".to_owned()),
        _ => {}
    }
    known
}

fn outcome(short: &str, expected: ClusterOutcome, seen: &ObservedCluster) -> Option<Finding> {
    let found = seen.outcome.as_ref();
    if found.is_some_and(|outcome| outcome.kind == expected) {
        return None;
    }
    Some(Finding {
        subject: format!("{short}: outcome"),
        expected: name(expected).to_owned(),
        seen: match found {
            Some(outcome) => format!("{}: {}", name(outcome.kind), outcome.why),
            None => "nothing that tells what became of it".to_owned(),
        },
        evidence: found
            .map(|outcome| outcome.evidence.iter().take(EVIDENCE_LINES).cloned().collect())
            .unwrap_or_default(),
        help: String::new(),
    })
}

fn accounts_differ(short: &str, verb: &str, expected: &[String], seen: &BTreeSet<String>) -> Option<Finding> {
    let expected: BTreeSet<String> = expected.iter().cloned().collect();
    let list = |accounts: &BTreeSet<String>| match accounts.len() {
        0 => "no storage account".to_owned(),
        _ => accounts.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    (expected != *seen).then(|| Finding {
        subject: format!("{short}: {verb}"),
        expected: list(&expected),
        seen: list(seen),
        evidence: Vec::new(),
        help: "storage.txt in the evidence folder lists every kind of request".to_owned(),
    })
}

fn env(
    short: &str,
    name: &str,
    expected: &EnvExpectation,
    seen: Option<&EnvObservation>,
    value: &dyn Fn(&str) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            findings.push(Finding {
                subject: format!("{short}: env {name}"),
                expected: format!("{what} {expected}"),
                seen: format!("{what} {found}"),
                evidence: Vec::new(),
                help: format!("env/{short}.txt in the evidence folder lists all variables"),
            });
        }
    };
    let Some(seen) = seen else {
        differs("env", "to be known".to_owned(), "not known: the operator made no pod template".to_owned());
        return findings;
    };
    let quoted = |value: Option<&str>| value.map_or("(absent)".to_owned(), |value| format!("`{value}`"));
    if let Some(expected) = &expected.value {
        differs("value", format!("`{}`", value(expected)), quoted(seen.value(name)));
    }
    if expected.absent {
        differs("value", "(absent)".to_owned(), quoted(seen.value(name)));
    }
    if let Some(listed) = expected.listed {
        differs("listed times:", listed.to_string(), seen.listed(name).to_string());
    }
    if let Some(from) = expected.from {
        let found = seen.from(name).map_or("nowhere".to_owned(), |from| format!("{from:?}"));
        differs("from", format!("{from:?}"), found);
    }
    findings
}

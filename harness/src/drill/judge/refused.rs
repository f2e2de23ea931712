//! What the storage itself refused. Logs may hide it, and all that else is not as expected follows from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{EVIDENCE_LINES, Observed, ObservedCluster};
use crate::observe::catalogue;
use crate::observe::env::{EnvObservation, Written};
use crate::observe::logs::Owner;
use crate::observe::storage::Refused;
use crate::report::Finding;
use crate::scenario::{ClusterExpectation, ClusterOutcome};
use crate::storage::{Access, Operation, Who};

type IsRefusal = fn(&Refused) -> bool;

/// Here it is the cluster that does not go on.
const UNTRUSTED: &str = "storage-certificate-untrusted";
/// The catalogue's names for what the storage may refuse, and how it answers then.
const REFUSALS: [(&str, IsRefusal); 4] = [
    ("storage-account-unknown", |refused| {
        matches!(refused.error_code.as_str(), "AccountNotFound" | "ResourceNotFound" | "AccountIsDisabled")
    }),
    ("storage-container-missing", |refused| refused.error_code == "ContainerNotFound"),
    (UNTRUSTED, |refused| refused.operation == Operation::Connect),
    ("storage-refuses-key", |refused| refused.status == 403 && refused.error_code != "AccountIsDisabled"),
];
/// The variable that has an account's name, and those that may have what opens it.
const CREDENTIALS: [(&str, [&str; 3]); 3] = [
    (
        "STANDBY_AZURE_STORAGE_ACCOUNT",
        [
            "STANDBY_AZURE_STORAGE_ACCESS_KEY",
            "STANDBY_AZURE_STORAGE_SAS_TOKEN",
            "STANDBY_AZURE_CLIENT_SECRET",
        ],
    ),
    (
        "CLONE_AZURE_STORAGE_ACCOUNT",
        ["CLONE_AZURE_STORAGE_ACCESS_KEY", "CLONE_AZURE_STORAGE_SAS_TOKEN", "CLONE_AZURE_CLIENT_SECRET"],
    ),
    ("AZURE_STORAGE_ACCOUNT", ["AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"]),
];
/// What a clone's log says where the storage let it see nothing: that there is no backup, and that it failed.
const CONSEQUENCES: [&str; 2] = ["no-backup-before-target", "bootstrap-failed"];
/// What Python prints of an exception, with the line that was logged before it.
const TRACEBACK: &str = "Traceback (most recent call last)";

impl Observed {
    /// Why the storage refused what the cluster asked for, by the catalogue's name, with the refusals, one line each.
    pub(super) fn refusals(&self, short: &str) -> Option<(&'static str, Vec<String>)> {
        let refused = self.storage.refused(short);
        REFUSALS.iter().find_map(|(name, is)| {
            let lines: Vec<String> = refused.iter().filter(|refused| is(refused)).map(line).collect();
            (!lines.is_empty()).then_some((*name, lines))
        })
    }

    /// The accounts that refused every request of the cluster: it has read nothing there.
    pub(super) fn refused_by(&self, short: &str) -> BTreeSet<String> {
        let mut accounts: BTreeMap<&str, bool> = BTreeMap::new();
        for access in self.of_cluster(short) {
            *accounts.entry(&access.account).or_insert(true) &= refusal(access).is_some();
        }
        accounts.into_iter().filter(|(_, all)| *all).map(|(account, _)| account.to_owned()).collect()
    }

    /// Puts what the storage refused before all else that is not as expected, and takes out what only repeats it. Alone it
    /// fails no drill: a scenario may be about just that.
    pub(super) fn with_refusals(
        &self,
        mut findings: Vec<Finding>,
        expect: &BTreeMap<String, ClusterExpectation>,
    ) -> Vec<Finding> {
        if findings.is_empty() {
            return findings;
        }
        let mut refused = Vec::new();
        for (short, cluster) in &self.clusters {
            let because = expect.get(short).and_then(|expected| expected.because.as_deref());
            let found: Vec<Finding> = REFUSALS
                .iter()
                .filter(|(name, _)| because != Some(*name))
                .filter_map(|(name, _)| self.refused_for(short, cluster, name))
                .collect();
            let failed =
                cluster.outcome.as_ref().is_some_and(|seen| seen.kind == ClusterOutcome::BootstrapFails);
            if failed && !found.is_empty() {
                let logs = format!("{}: logs", Owner::Cluster(short.clone()));
                findings.retain(|finding| finding.subject != logs || !follows(finding));
            }
            refused.extend(found);
        }
        refused.extend(findings);
        refused
    }

    fn refused_for(&self, short: &str, cluster: &ObservedCluster, name: &str) -> Option<Finding> {
        let entry = catalogue::by_name(name)?;
        let mut accounts: BTreeMap<&str, (usize, BTreeMap<String, usize>)> = BTreeMap::new();
        for access in self.of_cluster(short) {
            let (all, kinds) = accounts.entry(&access.account).or_default();
            *all += 1;
            if refusal(access) == Some(name) {
                *kinds.entry(line(&refused(access))).or_default() += 1;
            }
        }
        accounts.retain(|_, (_, kinds)| !kinds.is_empty());
        let untrusted = name == UNTRUSTED;
        let what = if untrusted { "was not trusted at" } else { "refused" };
        let shown = accounts.iter().map(|(account, (all, kinds))| {
            let number: usize = kinds.values().sum();
            match (number, *all) {
                (_, 1) => format!("the account {account} {what} its only request"),
                (number, all) if number == all => format!("the account {account} {what} all {all} requests"),
                (number, all) => format!("the account {account} {what} {number} of {all} requests"),
            }
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() {
            return None;
        }
        let keys = accounts.keys().flat_map(|account| credentials(cluster.env.as_ref(), account));
        let keys: Vec<String> = keys.collect();
        let with = if keys.is_empty() || untrusted {
            String::new()
        } else {
            format!(", asked with {}", keys.join(" and "))
        };
        let lines = accounts.values().flat_map(|(_, kinds)| kinds);
        Some(
            Finding::new(
                format!("{short}: storage"),
                "the storage to allow its requests",
                format!("{}{with}: {}", shown.join("; "), entry.means),
            )
            .with_evidence(
                lines.map(|(line, number)| format!("{line} ({number} times)")).take(EVIDENCE_LINES).collect(),
            )
            .with_help(entry.do_.to_owned()),
        )
    }

    fn of_cluster(&self, short: &str) -> impl Iterator<Item = &Access> {
        let is = move |access: &&Access| matches!(&access.who, Who::Cluster(name) if name == short);
        self.storage.accesses().iter().filter(is)
    }
}

fn refused(access: &Access) -> Refused {
    Refused {
        account: access.account.clone(),
        operation: access.operation,
        status: access.status.unwrap_or_default(),
        error_code: access.error_code.clone().unwrap_or_default(),
    }
}

/// The catalogue's name for the refusal of a request, if it was refused.
fn refusal(access: &Access) -> Option<&'static str> {
    let refused = refused(access);
    REFUSALS.iter().find(|(_, is)| is(&refused)).map(|(name, _)| *name)
}

fn line(Refused { account, operation, status, error_code }: &Refused) -> String {
    match status {
        0 => format!("{} to {account}: {error_code}", operation.words()),
        status => format!("{} in {account}: {status} {error_code}", operation.words()),
    }
}

/// What the cluster has for this account, and from where: `CLONE_AZURE_STORAGE_ACCESS_KEY (secret backup-keys/clone, by spec-env)`.
fn credentials(env: Option<&EnvObservation>, account: &str) -> Vec<String> {
    let Some(env) = env else { return Vec::new() };
    let counts = |name: &str| env.entries.iter().rev().find(|entry| entry.name == name);
    let says = |name: &str| {
        let written = counts(name).is_some_and(|entry| entry.written == Written::Value(account.to_owned()));
        written || env.value(name) == Some(account)
    };
    let of_account = CREDENTIALS.iter().filter(|(name, _)| says(name));
    let keys = of_account.filter_map(|(_, keys)| keys.iter().find_map(|key| counts(key)));
    keys.map(|entry| {
        let from = match &entry.written {
            Written::Reference(reference) => {
                reference.replacen("secret ", "Secret ", 1).replacen('/', ", key ", 1)
            }
            Written::Value(_) => "written in plain text".to_owned(),
        };
        format!("{} ({from}; by {})", entry.name, entry.from.name())
    })
    .collect()
}

/// Whether an error in a clone's log is what a refusal by the storage comes to there.
fn follows(finding: &Finding) -> bool {
    let named = CONSEQUENCES.iter().any(|name| finding.seen.starts_with(&format!("{name} (")));
    named || finding.evidence.iter().any(|line| line.contains(TRACEBACK))
}

/// Whether all that a finding about a cluster's log shows stands in an earlier finding about the cluster already.
pub(super) fn repeats(finding: &Finding, earlier: &[Finding], short: &str) -> bool {
    let of_cluster = earlier.iter().filter(|earlier| earlier.subject.starts_with(&format!("{short}: ")));
    let shown: Vec<&str> = of_cluster.flat_map(|earlier| &earlier.evidence).map(|line| line.trim()).collect();
    let is_traceback = finding.evidence.iter().any(|line| line.contains(TRACEBACK));
    // What was raised is its last line; what stands before it are places in Spilo's and Patroni's code.
    let raised = finding.evidence.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    is_traceback && raised.is_some_and(|raised| shown.iter().any(|line| line.contains(raised)))
}

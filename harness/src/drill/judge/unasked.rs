//! What fails a drill without being asked for: errors in logs, logs that are not there, requests of strangers.

use super::{EVIDENCE_LINES, Observed};
use crate::drill::server_log;
use crate::observe::logs::Owner;
use crate::report::Finding;
use crate::scenario::{ClusterOutcome, Expect};
use crate::storage::Who;

/// The container of a cluster's pods in which all of it runs.
const CONTAINER: &str = "postgres";

impl Observed {
    /// Requests of which nobody knows who made them may have been anybody's: then no list of accounts is exact.
    pub(super) fn strangers(&self, expect: &Expect) -> Option<Finding> {
        expect.clusters.values().find(|expected| expected.reads.is_some() || expected.writes.is_some())?;
        let unknown = self.storage.accesses().iter().filter(|access| access.who == Who::Unknown);
        let lines: Vec<String> = unknown
            .map(|access| format!("{:?} in {} by {}", access.operation, access.account, access.source))
            .collect();
        (!lines.is_empty()).then(|| Finding {
            subject: "storage".to_owned(),
            expected:
                "every request to be of a cluster of this drill, so that `reads` and `writes` are exact"
                    .to_owned(),
            seen: format!("{} requests by addresses of no known cluster", lines.len()),
            evidence: lines.into_iter().take(EVIDENCE_LINES).collect(),
            help: String::new(),
        })
    }

    /// Logs that should be there and are not: without them, that nothing bad was logged says nothing.
    pub(super) fn unheard(&self) -> Vec<Finding> {
        let mut wanted = vec![(Owner::Operator, None)];
        for (short, cluster) in &self.clusters {
            let containers: &[&str] = match cluster.outcome.as_ref().map(|outcome| outcome.kind) {
                None | Some(ClusterOutcome::Rejected | ClusterOutcome::CannotStart) => &[],
                Some(ClusterOutcome::BootstrapFails) => &[CONTAINER],
                Some(_) => &[CONTAINER, server_log::CONTAINER],
            };
            let owner = Owner::Cluster(short.clone());
            wanted.extend(containers.iter().map(|container| (owner.clone(), Some(*container))));
        }
        wanted.retain(|(owner, container)| !self.logs.heard(owner, *container));
        let finding = |(owner, container): (Owner, Option<&str>)| Finding {
            subject: format!("{owner}: logs"),
            expected: container.map_or("a log".to_owned(), |name| format!("a log of its container {name}")),
            seen: "nothing, so that nothing is known of its errors".to_owned(),
            evidence: Vec::new(),
            help: String::new(),
        };
        wanted.into_iter().map(finding).collect()
    }

    /// Errors that nobody expects, and expected ones that did not come.
    pub(super) fn logs(&self, owner: &Owner, known: &[String], required: &[String]) -> Vec<Finding> {
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

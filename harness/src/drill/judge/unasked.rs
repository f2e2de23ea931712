//! What fails a drill without being asked for: errors in logs, logs that are not there, requests of strangers.

use super::{EVIDENCE_LINES, Observed};
use crate::drill::server_log;
use crate::observe::logs::Owner;
use crate::report::Finding;
use crate::scenario::{ClusterOutcome, Expect, OwnBackups};
use crate::storage::Who;

/// What the logs may hold, as the report says it.
const ONLY_KNOWN: &str = "only the errors that the scenario lists under `logs.known`";
/// Where nothing else can be said of an error.
const INTENDED: &str = "if the error is intended, add its name to `logs.known`";
/// The container of a cluster's pods in which all of it runs.
const CONTAINER: &str = "postgres";

impl Observed {
    /// Requests of which nobody knows who made them may have been anybody's: then no list of accounts is exact.
    pub(super) fn strangers(&self, expect: &Expect) -> Option<Finding> {
        expect.clusters.values().find(|expected| expected.reads.is_some() || expected.writes.is_some())?;
        let unknown = self.storage.accesses().iter().filter(|access| access.who == Who::Unknown);
        let lines: Vec<String> = unknown
            .map(|access| format!("{} in {} by {}", access.operation.words(), access.account, access.source))
            .collect();
        (!lines.is_empty()).then(|| {
            Finding::new(
                "storage",
                "every request to be of a cluster of this drill, so that `reads` and `writes` are exact"
                    .to_owned(),
                format!("{} requests by addresses of no known cluster", lines.len()),
            )
            .with_evidence(lines.into_iter().take(EVIDENCE_LINES).collect())
        })
    }

    /// Clusters that archive and never got a base backup into the storage: nobody can clone them.
    pub(super) fn without_backup(&self, expect: &Expect) -> Vec<Finding> {
        // A scenario may be about just that.
        let expected = |short: &String| {
            let expected = expect.clusters.get(short);
            let writes = expected.and_then(|expected| expected.writes.as_ref());
            let backups = expected.and_then(|expected| expected.backups);
            backups == Some(OwnBackups::None) || backups.is_none() && writes.is_some_and(Vec::is_empty)
        };
        // One that follows another has none to take.
        let without =
            self.clusters.iter().filter(|(_, cluster)| cluster.without_backup && cluster.lag.is_none());
        let finding = |(short, _): (&String, _)| {
            Finding::new(
                format!("{short}: backups"),
                "a base backup of its own in the storage, which it takes by itself once it runs".to_owned(),
                "none was complete at the end of the drill",
            )
            .with_help(
                "its log and storage.txt in the evidence folder say what became of it; where none is to be \
                   expected, say `writes: []`"
                    .to_owned(),
            )
        };
        without.filter(|(short, _)| !expected(short)).map(finding).collect()
    }

    /// Logs that should be there and are not: without them, that nothing bad was logged says nothing.
    pub(super) fn unheard(&self) -> Vec<Finding> {
        let mut wanted = vec![(Owner::Operator, None, None)];
        for (short, cluster) in &self.clusters {
            let containers: &[&str] = match cluster.outcome.as_ref().map(|outcome| outcome.kind) {
                None | Some(ClusterOutcome::Rejected | ClusterOutcome::CannotStart) => &[],
                Some(ClusterOutcome::BootstrapFails) => &[CONTAINER],
                Some(_) => &[CONTAINER, server_log::CONTAINER],
            };
            // Of one that was deleted it is enough that any of its pods was heard.
            let pods = cluster.pods.iter().map(|pod| Some(pod.as_str()));
            let pods: Vec<_> = if cluster.pods.is_empty() { vec![None] } else { pods.collect() };
            for (pod, container) in
                pods.into_iter().flat_map(|pod| containers.iter().map(move |one| (pod, *one)))
            {
                wanted.push((Owner::Cluster(short.clone()), pod, Some(container)));
            }
        }
        wanted.retain(|(owner, pod, container)| !self.logs.heard(owner, *pod, *container));
        let finding = |(owner, pod, container): (Owner, Option<&str>, Option<&str>)| {
            Finding::new(
                format!("{owner}: logs"),
                match (pod, container) {
                    (Some(pod), Some(container)) => {
                        format!("a log of container {container} of its pod {pod}")
                    }
                    (_, Some(container)) => format!("a log of its container {container}"),
                    _ => "a log".to_owned(),
                },
                "not a line of a known form, so that nothing is known of its errors",
            )
        };
        wanted.into_iter().map(finding).collect()
    }

    /// Errors that nobody expects, and expected ones that did not come.
    pub(super) fn logs(&self, owner: &Owner, known: &[String], required: &[String]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .logs
            .unexpected_errors(owner, known)
            .into_iter()
            .map(|message| {
                Finding::new(
                    format!("{owner}: logs"),
                    ONLY_KNOWN.to_owned(),
                    match message.entry {
                        Some(entry) if !message.lasting.is_empty() => format!(
                            "{} ({} times), and no later line that says it has passed: {}",
                            entry.name, message.count, entry.means
                        ),
                        Some(entry) => format!("{} ({} times): {}", entry.name, message.count, entry.means),
                        None => format!("an error that is not in the catalogue ({} times)", message.count),
                    },
                )
                .with_evidence(
                    message
                        .examples
                        .iter()
                        .flat_map(|text| text.lines().map(str::to_owned))
                        .take(EVIDENCE_LINES)
                        .collect(),
                )
                .with_help(match message.entry {
                    Some(entry) => format!("{}; {INTENDED}: `{}`", entry.do_, entry.name),
                    None => String::new(),
                })
            })
            .collect();
        for name in required.iter().filter(|name| !self.logs.seen_by(owner, name)) {
            findings.push(
                Finding::new(
                    format!("{owner}: logs"),
                    format!("the known message {name}"),
                    "it was not logged",
                )
                .with_help(format!("take `{name}` out of `logs.known` if it is no longer expected")),
            );
        }
        findings
    }
}

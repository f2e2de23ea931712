//! What the operator says of each cluster, and of none.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::environment::ContainerLog;
use crate::observe::catalogue::{Level, Source};
use crate::observe::logs::recognise;

/// `cluster-name=prod/acid-orders`, a field of the operator's lines.
static CLUSTER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#" cluster-name="?([^"\s]+/[^"\s]+)"?"#).expect("a constant, and tested"));

/// What every release logs when it has made a StatefulSet. All that it says of the cluster later is about waiting
/// for pods that never come.
const CREATED: &str = "statefulset";
const CREATED_END: &str = "has been successfully created";

/// What it logs at the end of a sync.
const SYNCED: &str = "cluster has been synced";
const NOT_SYNCED: &str = "could not sync cluster";

/// A line of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub level: Level,
    pub message: String,
    /// From the API server, handed on.
    pub of_api_server: bool,
}

/// The lines of one or more operators' containers.
#[derive(Debug, Default)]
pub(super) struct OperatorLog {
    /// By `namespace/name` as the operator calls it.
    clusters: BTreeMap<String, Vec<Line>>,
    pub others: Vec<Line>,
}

impl OperatorLog {
    pub(super) fn read<'l>(logs: impl IntoIterator<Item = &'l ContainerLog>) -> OperatorLog {
        let mut read = OperatorLog::default();
        for text in logs.into_iter().map(|log| &log.text) {
            for line in text.lines() {
                let Some(seen) = recognise(line) else { continue };
                let seen = Line {
                    level: seen.level,
                    message: seen.message.into_owned(),
                    of_api_server: seen.source == Source::ApiServer,
                };
                match CLUSTER.captures(line) {
                    Some(found) => read.clusters.entry(found[1].to_owned()).or_default().push(seen),
                    None => read.others.push(seen),
                }
            }
        }
        read
    }

    /// All lines of a cluster.
    pub(super) fn of(&self, cluster: &str) -> &[Line] {
        self.clusters.get(cluster).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the operator has said that it made the cluster's StatefulSet.
    pub(super) fn has_created(&self, cluster: &str) -> bool {
        self.of(cluster).iter().any(is_creation)
    }

    /// Whether the operator has looked at all of the cluster, with or without success.
    pub(super) fn has_synced(&self, cluster: &str) -> bool {
        self.of(cluster).iter().any(|line| line.message == SYNCED || line.message.starts_with(NOT_SYNCED))
    }

    /// What is worth telling of a cluster until its StatefulSet was made.
    pub(super) fn until_creation(&self, cluster: &str) -> Vec<String> {
        telling(self.of(cluster).iter().take_while(|line| !is_creation(line)))
    }

    /// Why the operator did not make it: its last error, or its last word.
    pub(super) fn last_word(&self, cluster: &str) -> Option<String> {
        let lines = self.of(cluster);
        let error = lines.iter().rfind(|line| line.level == Level::Error);
        error.or_else(|| lines.last()).map(|line| line.message.clone())
    }

    /// The error that it died of.
    pub(super) fn death(&self) -> Option<String> {
        self.others.iter().rfind(|line| line.level == Level::Error).map(|line| line.message.clone())
    }
}

fn is_creation(line: &Line) -> bool {
    line.message.starts_with(CREATED) && line.message.ends_with(CREATED_END)
}

/// Messages at level warning or above, each once, in their order.
pub(super) fn telling<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in lines.filter(|line| line.level != Level::Info) {
        if !messages.contains(&line.message) {
            messages.push(line.message.clone());
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> OperatorLog {
        let log = ContainerLog {
            pod: "postgres-operator".to_owned(),
            uid: String::new(),
            container: "postgres-operator".to_owned(),
            attempt: 0,
            text: text.to_owned(),
        };
        OperatorLog::read([&log])
    }

    #[test]
    fn lines_are_told_apart_by_their_cluster_and_end_with_its_stateful_set() {
        let log = log(concat!(
            "time=\"t\" level=warning msg=\"no teamId specified\" cluster-name=prod/acid-a pkg=cluster worker=0\n",
            "time=\"t\" level=info msg=\"statefulset \\\"prod/acid-a\\\" has been successfully created\" cluster-name=prod/acid-a pkg=cluster\n",
            "time=\"t\" level=error msg=\"failed to create cluster: no pods\" cluster-name=prod/acid-a pkg=cluster\n",
            "time=\"t\" level=error msg=\"could not create cluster\" cluster-name=prod/acid-b pkg=controller\n",
            "W1123 12:00:00.000000       1 warnings.go:70] v1 Endpoints is deprecated\n",
            "panic: no such setting\n",
        ));
        assert_eq!(log.until_creation("prod/acid-a"), ["no teamId specified"]);
        assert!(log.has_created("prod/acid-a") && !log.has_created("prod/acid-b"));
        assert_eq!(log.last_word("prod/acid-b").as_deref(), Some("could not create cluster"));
        assert_eq!(telling(log.others.iter()), ["v1 Endpoints is deprecated", "no such setting"]);
        assert_eq!(log.death().as_deref(), Some("no such setting"));
    }
}

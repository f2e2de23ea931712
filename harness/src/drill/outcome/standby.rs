//! What became of a cluster that was to follow another one.

use super::{Outcome, Peer, find};
use crate::scenario::ClusterOutcome;

/// What Patroni and PostgreSQL say of a cluster that follows.
const FOLLOWS: [&str; 4] =
    ["the standby leader", "entering standby mode", "restored log file", "started streaming WAL"];

/// What is known of a cluster that says Running, and that somebody asked to follow another one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked<'a> {
    /// The variable that asks for it; none where only the manifest has a standby section.
    pub by: Option<&'static str>,
    /// The short name of the cluster that is to be followed, where it is one of the drill's.
    pub whom: Option<&'a str>,
    pub system_identifier: &'a str,
    pub in_recovery: bool,
    pub timeline: u32,
    /// What its pods and its server printed.
    pub logs: &'a [&'a str],
}

/// The outcome as it comes up, and the short name of the cluster that it follows. How far it comes is seen only at the drill's end.
pub(crate) fn of_asked(asked: &Asked<'_>, peers: &[Peer]) -> (Outcome, Option<String>) {
    let outcome =
        |kind, why: String| Outcome { kind, why, evidence: last_of_each(find(asked.logs, &FOLLOWS)) };
    let identifier = asked.system_identifier;
    let same: Vec<&str> = peers
        .iter()
        .filter(|peer| peer.system_identifier == identifier)
        .map(|peer| peer.cluster.as_str())
        .collect();
    let by = asked.by.map_or("nothing in its environment says whom".to_owned(), |by| format!("by {by}"));
    if !asked.in_recovery {
        let (kind, of) = match same.first() {
            Some(peer) => (ClusterOutcome::Running, format!("with the data of {peer}")),
            None => (ClusterOutcome::Empty, "initialised from nothing".to_owned()),
        };
        return (
            outcome(kind, format!("it was to follow another cluster ({by}) and takes writes, {of}")),
            None,
        );
    }
    let whom = asked.whom.or(same.first().copied());
    match whom.filter(|whom| same.contains(whom)) {
        Some(whom) => {
            let why = format!("it follows {whom}, on timeline {}", asked.timeline);
            (outcome(ClusterOutcome::Following, why), Some(whom.to_owned()))
        }
        None => {
            let of = same.first().copied().unwrap_or("a cluster that this drill did not make");
            let named = whom.map(|whom| format!(", and is told to follow {whom}")).unwrap_or_default();
            let why = format!("its system identifier {identifier} is that of {of}{named}");
            (outcome(ClusterOutcome::WrongCluster, why), None)
        }
    }
}

/// How far a cluster that follows had come, and how far it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lag {
    /// The short name of the cluster that it follows.
    pub of: String,
    /// WAL of that one that it had not replayed when the drill ended.
    pub bytes: u64,
    /// From that moment on until it had, or until nobody waited any longer.
    pub seconds: f64,
    /// The timeline that it is on.
    pub timeline: u32,
    /// Why it was not there in the end; none where it was.
    pub missing: Option<String>,
}

impl Lag {
    /// In a few words.
    pub(crate) fn words(&self) -> String {
        let Lag { of, bytes, seconds, timeline, missing } = self;
        let behind = format!("{bytes} bytes behind {of} at the end of the drill");
        match missing {
            None => format!("{behind}, and {seconds:.1} s later none, on timeline {timeline}"),
            Some(missing) => format!("{behind}, and {seconds:.1} s later {missing}"),
        }
    }

    pub(crate) fn outcome(&self, evidence: Vec<String>) -> Outcome {
        let kind = match &self.missing {
            None => ClusterOutcome::Following,
            Some(_) => ClusterOutcome::LagsBehind,
        };
        Outcome { kind, why: format!("it follows {}: {}", self.of, self.words()), evidence }
    }
}

/// A cluster that follows says the same again and again.
fn last_of_each(lines: Vec<String>) -> Vec<String> {
    let last = |text: &&str| lines.iter().rev().find(|line| line.contains(*text)).cloned();
    FOLLOWS.iter().filter_map(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        identifier: &str,
        in_recovery: bool,
        whom: Option<&str>,
    ) -> (ClusterOutcome, String, Option<String>) {
        let peer = |cluster: &str, identifier: &str| Peer {
            cluster: cluster.to_owned(),
            system_identifier: identifier.to_owned(),
        };
        let asked = Asked {
            by: Some("STANDBY_HOST"),
            whom,
            system_identifier: identifier,
            in_recovery,
            timeline: 1,
            logs: &[
                "INFO: no action. I am (acid-0), the standby leader with the lock\nINFO: no action. I am (acid-0), the standby leader with the lock\nLOG:  entering standby mode",
            ],
        };
        let (outcome, follows) =
            of_asked(&asked, &[peer("source", "71"), peer("clone", "71"), peer("other", "72")]);
        assert_eq!(outcome.evidence.len(), 2);
        (outcome.kind, outcome.why, follows)
    }

    #[test]
    fn one_in_recovery_follows_the_cluster_that_it_is_told_to() {
        let (kind, why, follows) = asked("71", true, Some("clone"));
        assert_eq!((kind, why.as_str()), (ClusterOutcome::Following, "it follows clone, on timeline 1"));
        assert_eq!(follows.as_deref(), Some("clone"));
        assert_eq!(asked("71", true, None).2.as_deref(), Some("source"));
    }

    #[test]
    fn one_with_another_clusters_identifier_follows_the_wrong_one() {
        let (kind, why, follows) = asked("72", true, Some("source"));
        assert_eq!((kind, follows), (ClusterOutcome::WrongCluster, None));
        assert_eq!(why, "its system identifier 72 is that of other, and is told to follow source");
        assert_eq!(asked("99", true, None).0, ClusterOutcome::WrongCluster);
    }

    #[test]
    fn one_that_takes_writes_follows_nobody() {
        let (kind, why, _) = asked("99", false, Some("source"));
        assert_eq!(kind, ClusterOutcome::Empty);
        assert_eq!(
            why,
            "it was to follow another cluster (by STANDBY_HOST) and takes writes, initialised from nothing"
        );
        assert_eq!(asked("71", false, Some("source")).0, ClusterOutcome::Running);
    }

    #[test]
    fn one_that_does_not_come_up_to_the_other_lags_behind() {
        let lag = Lag { of: "source".to_owned(), bytes: 80, seconds: 4.25, timeline: 1, missing: None };
        assert_eq!(lag.outcome(Vec::new()).kind, ClusterOutcome::Following);
        assert_eq!(
            lag.words(),
            "80 bytes behind source at the end of the drill, and 4.2 s later none, on timeline 1"
        );
        let late = Lag { missing: Some("still 80 bytes".to_owned()), ..lag };
        assert_eq!(late.outcome(Vec::new()).kind, ClusterOutcome::LagsBehind);
        assert!(late.words().ends_with("4.2 s later still 80 bytes"), "{}", late.words());
    }
}

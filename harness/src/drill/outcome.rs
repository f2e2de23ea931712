//! What became of a cluster, recognised from evidence.

use crate::scenario::ClusterOutcome;

/// Patroni says it once for each bootstrap that failed.
const FAILED_BOOTSTRAP: &str = "removing initialize key after failed attempt to bootstrap the cluster";
/// One failure may be an accident of the moment; Spilo tries again by itself.
pub const FAILURES: usize = 2;
const CLONE_SCRIPT: &str = "Running custom bootstrap script";
const STOPPED_AT_TARGET: [&str; 2] = ["recovery stopping before", "recovery stopping after"];
/// Lines that tell of a recovery's course.
const RECOVERY: [&str; 6] = [
    "recovery stopping",
    "recovery ended before configured recovery target",
    "starting point-in-time recovery",
    "archive recovery complete",
    "last completed transaction was at log time",
    "redo done at",
];

/// An outcome with the lines that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub kind: ClusterOutcome,
    /// One line for the report.
    pub why: String,
    pub evidence: Vec<String>,
}

/// A cluster that this drill made, as far as telling clusters apart needs it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The scenario's short name.
    pub cluster: String,
    pub system_identifier: String,
}

/// What is known of a cluster that says Running.
#[derive(Debug, Clone, Default)]
pub struct Seen<'a> {
    pub system_identifier: &'a str,
    /// The short name of the cluster that `spec.clone` names; none for one that is no clone. Empty where the
    /// scenario has no such cluster.
    pub clone_of: Option<&'a str>,
    /// A point in time was asked for.
    pub has_target: bool,
    /// What its pods and its server printed.
    pub logs: &'a [&'a str],
    /// Clusters that wrote the base backups which it read, as the storage gateway saw it.
    pub backups_of: &'a [String],
}

/// The outcome of a cluster that says Running.
pub fn of_running(seen: &Seen<'_>, peers: &[Peer]) -> Outcome {
    let outcome = |kind, why: String, evidence| Outcome { kind, why, evidence };
    let Some(source) = seen.clone_of else {
        return outcome(ClusterOutcome::Running, "it runs".to_owned(), Vec::new());
    };
    let identifier = seen.system_identifier;
    let same: Vec<&Peer> = peers.iter().filter(|peer| peer.system_identifier == identifier).collect();
    let ran_script = find(seen.logs, &[CLONE_SCRIPT]);
    if same.is_empty() && ran_script.is_empty() {
        let why = format!("system identifier {identifier} is its own: it was initialised from nothing");
        return outcome(
            ClusterOutcome::Empty,
            why,
            find(seen.logs, &["trying to bootstrap", "Cloning with"]),
        );
    }
    let foreign = seen
        .backups_of
        .iter()
        .find(|writer| *writer != source && !seen.backups_of.iter().any(|w| w == source));
    if !same.iter().any(|peer| peer.cluster == source) {
        let of = same.first().map_or("a cluster that this drill did not make", |peer| peer.cluster.as_str());
        let why =
            format!("its system identifier {identifier} is that of {of}, and `spec.clone` names {source}");
        return outcome(ClusterOutcome::WrongCluster, why, ran_script);
    }
    if let Some(writer) = foreign {
        let why = format!(
            "the base backup that it fetched was written by {writer}, and `spec.clone` names {source}"
        );
        return outcome(ClusterOutcome::WrongCluster, why, ran_script);
    }
    let course = find(seen.logs, &RECOVERY);
    if seen.has_target && find(seen.logs, &STOPPED_AT_TARGET).is_empty() {
        let why = "recovery came to the end of the archived WAL and never reached the target time".to_owned();
        return outcome(ClusterOutcome::TargetNotReached, why, course);
    }
    outcome(ClusterOutcome::Running, format!("restored from {source}"), course)
}

/// The outcome of a cluster whose bootstrap failed often enough to be no accident.
pub fn of_failures(logs: &[&str]) -> Option<Outcome> {
    let failures = logs.iter().map(|text| text.matches(FAILED_BOOTSTRAP).count()).sum::<usize>();
    (failures >= FAILURES).then(|| Outcome {
        kind: ClusterOutcome::BootstrapFails,
        why: format!("its bootstrap failed {failures} times"),
        evidence: last(find(logs, &["ERROR", "FATAL", "Could not find", "failed"]), 8),
    })
}

fn find(logs: &[&str], texts: &[&str]) -> Vec<String> {
    let lines = logs.iter().flat_map(|log| log.lines());
    lines.filter(|line| texts.iter().any(|text| line.contains(text))).map(str::to_owned).collect()
}

fn last(mut lines: Vec<String>, count: usize) -> Vec<String> {
    lines.drain(..lines.len().saturating_sub(count));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "2026-11-24 INFO: Running custom bootstrap script: /scripts/clone_with_wale.py";
    const STOPPED: &str =
        "LOG:  recovery stopping before commit of transaction 740, time 2026-11-24 03:00:00+00";

    fn peers() -> Vec<Peer> {
        let peer = |cluster: &str, system_identifier: &str| Peer {
            cluster: cluster.to_owned(),
            system_identifier: system_identifier.to_owned(),
        };
        vec![peer("source", "71"), peer("other", "72")]
    }

    fn kind(system_identifier: &str, logs: &[&str], backups_of: &[&str]) -> ClusterOutcome {
        let backups_of: Vec<String> = backups_of.iter().map(|name| (*name).to_owned()).collect();
        let seen = Seen {
            system_identifier,
            clone_of: Some("source"),
            has_target: true,
            logs,
            backups_of: &backups_of,
        };
        of_running(&seen, &peers()).kind
    }

    #[test]
    fn a_clone_that_stopped_at_its_target_is_right() {
        assert_eq!(kind("71", &[SCRIPT, STOPPED], &["source"]), ClusterOutcome::Running);
    }

    #[test]
    fn one_with_an_identifier_of_its_own_is_empty() {
        assert_eq!(kind("99", &["INFO: trying to bootstrap a new cluster"], &[]), ClusterOutcome::Empty);
    }

    #[test]
    fn one_with_anothers_identifier_or_anothers_backup_is_of_the_wrong_cluster() {
        assert_eq!(kind("72", &[SCRIPT, STOPPED], &["other"]), ClusterOutcome::WrongCluster);
        assert_eq!(kind("99", &[SCRIPT, STOPPED], &[]), ClusterOutcome::WrongCluster);
        assert_eq!(kind("71", &[SCRIPT, STOPPED], &["other"]), ClusterOutcome::WrongCluster);
    }

    #[test]
    fn one_whose_recovery_did_not_stop_has_not_reached_its_target() {
        let logs = [SCRIPT, "FATAL:  recovery ended before configured recovery target was reached"];
        assert_eq!(kind("71", &logs, &["source"]), ClusterOutcome::TargetNotReached);
    }

    #[test]
    fn without_a_target_none_is_missed() {
        let seen =
            Seen { system_identifier: "71", clone_of: Some("source"), logs: &[SCRIPT], ..Seen::default() };
        assert_eq!(of_running(&seen, &peers()).kind, ClusterOutcome::Running);
    }

    #[test]
    fn one_failed_bootstrap_is_an_accident_and_two_are_none() {
        let once = format!("ERROR: x\n{FAILED_BOOTSTRAP}\n");
        assert_eq!(of_failures(&[&once]), None);
        let outcome = of_failures(&[&once, &once]);
        assert_eq!(outcome.map(|outcome| outcome.kind), Some(ClusterOutcome::BootstrapFails));
    }
}

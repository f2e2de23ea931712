//! What became of a cluster, recognised from evidence.

pub(crate) mod standby;

use jiff::Timestamp;

use crate::observe::logs::parts::{FailedPart, failed_again};
use crate::observe::logs::recovery::{self, CLONE_SCRIPT, STOPPED_AT_TARGET};
use crate::scenario::ClusterOutcome;

/// Patroni says it once for each bootstrap that failed.
pub(crate) const FAILED_BOOTSTRAP: &str =
    "removing initialize key after failed attempt to bootstrap the cluster";
/// One failure may be an accident of the moment; Spilo tries again by itself.
pub(crate) const FAILURES: usize = 2;
/// Where nothing stopped it before, it came to the end of the WAL too.
const RECOVERY_ENDED: [&str; 2] = ["redo done at", "archive recovery complete"];
/// Patroni says it of every new cluster, a clone or not.
const BOOTSTRAP: [&str; 1] = ["trying to bootstrap"];
/// The same, without replicas.
const NEW_CLUSTER: [&str; 1] = ["trying to bootstrap a new cluster"];
/// Patroni says one of them of a node that has data.
const STARTED_ON_DATA: [&str; 3] =
    ["starting as a secondary", "starting as readonly because", "promoted self to leader"];
/// Spilo's script says it once pg_upgrade has done its work: the cluster has an identifier of its own from then on, and timelines
/// begin at 1 again.
const UPGRADED: [&str; 1] = ["Starting the cluster with new postgres after upgrade"];
/// Lines that may say why a bootstrap failed.
const SAYS_WHY: [&str; 4] = ["ERROR", "FATAL", "Could not find", "failed"];
/// With logrus' plain form and with its JSON.
const ERROR_OF_OPERATOR: [&str; 2] = ["level=error", "\"level\":\"error\""];
/// Lines that tell of a recovery's course.
const RECOVERY: [&str; 6] = [
    "recovery stopping",
    "recovery ended before configured recovery target",
    "starting point-in-time recovery",
    "archive recovery complete",
    "last completed transaction was at log time",
    "redo done at",
];

/// The same, and that it was upgraded afterwards.
const RECOVERY_AND_UPGRADE: [&str; 7] =
    [RECOVERY[0], RECOVERY[1], RECOVERY[2], RECOVERY[3], RECOVERY[4], RECOVERY[5], UPGRADED[0]];

/// An outcome with the lines that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub kind: ClusterOutcome,
    /// One line for the report.
    pub why: String,
    pub evidence: Vec<String>,
}

/// A cluster that this drill made, as far as telling clusters apart needs it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The scenario's short name.
    pub cluster: String,
    pub system_identifier: String,
}

/// A mark as a target of recovery: nothing but its own commit lies between both times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkedTime<'a> {
    pub name: &'a str,
    pub commit_after: Timestamp,
    pub time: Timestamp,
    /// The timeline that its cluster was on.
    pub timeline: u32,
}

/// What is known of a cluster that says Running.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen<'a> {
    pub system_identifier: &'a str,
    /// The short name of the cluster that `spec.clone` names; none for one that is no clone. Empty where the
    /// scenario has no such cluster.
    pub clone_of: Option<&'a str>,
    /// A point in time was asked for.
    pub has_target: bool,
    /// The mark whose time was asked for, if it was one's.
    pub mark: Option<MarkedTime<'a>>,
    /// The timeline that it is on.
    pub timeline: u32,
    /// What its pods and its server printed.
    pub logs: &'a [&'a str],
    /// Clusters that wrote the base backups which it read, as the storage gateway saw it.
    pub backups_of: &'a [String],
}

/// The outcome of a cluster that says Running. A line that is missing shows something only in a log that is there.
///
/// # Errors
/// What is missing to tell: then nothing is proved.
pub(crate) fn of_running(seen: &Seen<'_>, peers: &[Peer]) -> Result<Outcome, String> {
    let outcome = |kind, why: String, evidence| Ok(Outcome { kind, why, evidence });
    let Some(source) = seen.clone_of else {
        return outcome(ClusterOutcome::Running, "it runs".to_owned(), Vec::new());
    };
    let identifier = seen.system_identifier;
    let same: Vec<&Peer> = peers.iter().filter(|peer| peer.system_identifier == identifier).collect();
    let ran_script = find(seen.logs, &[CLONE_SCRIPT]);
    let on_its_data = find(seen.logs, &STARTED_ON_DATA);
    if ran_script.is_empty() && find(seen.logs, &NEW_CLUSTER).is_empty() && !on_its_data.is_empty() {
        let of = same.first().map(|peer| format!(", those of {}", peer.cluster)).unwrap_or_default();
        let why = format!("it started on the data that its volume held{of}: nothing was restored");
        return outcome(ClusterOutcome::NotRestored, why, on_its_data);
    }
    if same.is_empty() && ran_script.is_empty() {
        if find(seen.logs, &BOOTSTRAP).is_empty() {
            return Err("no line of its log tells how it was bootstrapped".to_owned());
        }
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
    let upgraded = same.is_empty() && !find(seen.logs, &UPGRADED).is_empty();
    if upgraded && seen.backups_of.is_empty() {
        return Err("no request to the storage tells whose base backup it was made of".to_owned());
    }
    if !upgraded && !same.iter().any(|peer| peer.cluster == source) {
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
    let course = find(seen.logs, if upgraded { &RECOVERY_AND_UPGRADE } else { &RECOVERY[..] });
    let restored = if upgraded { "restored, and then upgraded," } else { "restored" };
    if seen.has_target && !reached_target(seen.logs)? {
        let why = "recovery came to the end of the archived WAL and never reached the target time".to_owned();
        return outcome(ClusterOutcome::TargetNotReached, why, course);
    }
    let Some(mark) = &seen.mark else {
        return outcome(ClusterOutcome::Running, format!("{restored} from {source}"), course);
    };
    let timeline = (!upgraded).then_some(seen.timeline);
    match mark.missed(timeline, last_commit(seen.logs)?) {
        Some(why) => outcome(ClusterOutcome::TargetNotReached, why, course),
        None => {
            let why = format!("{restored} from {source} up to {}, on timeline {}", mark.name, seen.timeline);
            outcome(ClusterOutcome::Running, why, course)
        }
    }
}

impl MarkedTime<'_> {
    /// Why a recovery that stopped was not one to this mark. After an upgrade no timeline tells.
    fn missed(&self, timeline: Option<u32>, last_commit: Option<Timestamp>) -> Option<String> {
        let MarkedTime { name, commit_after, time, timeline: its } = *self;
        if let Some(timeline) = timeline.filter(|timeline| *timeline <= its) {
            return Some(format!("it is on timeline {timeline}, and {name} was taken on timeline {its}"));
        }
        let wanted = format!("{name} has its last one between {commit_after} and {time}");
        match last_commit {
            None => Some(format!("recovery replayed no commit at all, and {wanted}")),
            Some(last) if last < commit_after || last > time => {
                Some(format!("the last commit that recovery replayed is of {last}, and {wanted}"))
            }
            Some(_) => None,
        }
    }
}

/// The last commit that was replayed before recovery stopped for the last time.
fn last_commit(logs: &[&str]) -> Result<Option<Timestamp>, String> {
    let said = logs.iter().find_map(|log| {
        let stopped = STOPPED_AT_TARGET.iter().filter_map(|text| log.rfind(text)).max()?;
        log[stopped..].lines().find_map(recovery::last_commit)
    });
    let parse = |text: &str| text.parse().map_err(|_| format!("its log has a commit at no time: {text}"));
    said.map(parse).transpose()
}

/// By the last word of each log: an attempt that stopped may be followed by one that was made without a target.
fn reached_target(logs: &[&str]) -> Result<bool, String> {
    let last_word = |log: &&str| log.lines().rev().find_map(recovery::reached_target);
    let words: Vec<bool> = logs.iter().filter_map(last_word).collect();
    if words.is_empty() && find(logs, &RECOVERY_ENDED).is_empty() {
        return Err("no line of its server's log tells how its recovery ended".to_owned());
    }
    Ok(!words.is_empty() && words.iter().all(|stopped| *stopped))
}

/// The outcome of a cluster whose bootstrap failed often enough to be no accident.
pub(crate) fn of_failures(logs: &[&str]) -> Option<Outcome> {
    let failures = logs.iter().map(|text| text.matches(FAILED_BOOTSTRAP).count()).sum::<usize>();
    let why = match failures >= FAILURES {
        true => format!("its bootstrap failed {failures} times"),
        // WAL-G would go on with it for longer than anybody waits.
        false => {
            let FailedPart { part, why, .. } = failed_again(logs.iter().flat_map(|log| log.lines()))?;
            format!("WAL-G cannot unpack {part} of the backup, and tries again and again: {why}")
        }
    };
    Some(Outcome { kind: ClusterOutcome::BootstrapFails, why, evidence: last(find(logs, &SAYS_WHY), 8) })
}

/// The outcome of a cluster that the operator has given up, by its status. With a pod it was the bootstrap that failed,
/// without one the manifest; none where neither says so.
pub(crate) fn of_given_up(status: &str, logs: &[&str], complaints: &[String]) -> Option<Outcome> {
    if let Some(failures) = of_failures(logs) {
        return Some(failures);
    }
    let (kind, evidence) = match logs.is_empty() {
        true => (ClusterOutcome::Rejected, complaints.to_vec()),
        false if find(logs, &[FAILED_BOOTSTRAP]).is_empty() => return None,
        false => (ClusterOutcome::BootstrapFails, last(find(logs, &SAYS_WHY), 8)),
    };
    let why = format!("the operator has set its status to {status}");
    (!evidence.is_empty()).then_some(Outcome { kind, why, evidence })
}

/// The operator's errors about a cluster, which it calls `<namespace>/<name>`.
pub(crate) fn complaints(log: &str, cluster: &str) -> Vec<String> {
    let errors = log.lines().filter(|line| ERROR_OF_OPERATOR.iter().any(|level| line.contains(level)));
    errors.filter(|line| is_about(line, cluster)).map(str::to_owned).collect()
}

/// Whether a line of the operator's is about this cluster, which it calls `<namespace>/<name>`.
pub(crate) fn is_about(line: &str, cluster: &str) -> bool {
    let mut places = line.match_indices(cluster).map(|(place, _)| &line[place + cluster.len()..]);
    places.any(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-'))
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
mod tests;

//! What a drill with a fault shows: what those who restore would have noticed of it.

use std::path::Path;

use super::faults::Fault;
use crate::exit::Verdict;
use crate::report::{ClusterSummary, DrillReport, Finding, Noticed, SabotageLine};

/// A restore that takes so much longer than without a fault is told to.
const LONGER: u64 = 3_000;
const NOTHING_TO_FIND: &str = "nothing";

/// Reads the report of a drill whose fault was this one. `whole` is how long the restore takes without one.
pub fn told(fault: &Fault, clone: &str, report: &DrillReport, whole: u64, file: &Path) -> SabotageLine {
    let summary = report.clusters.iter().find(|cluster| cluster.cluster == clone);
    let milliseconds = restored(report, clone);
    let (noticed, wrong) = match in_the_way(report) {
        Some(why) => (Noticed::NotTried, why),
        None => summary.map_or_else(
            || (Noticed::NotTried, "the clone was not seen".to_owned()),
            |summary| noticed(summary, clone, &report.findings),
        ),
    };
    SabotageLine {
        fault: fault.name.to_owned(),
        about: fault.about.clone(),
        lies: fault.lies(),
        noticed,
        outcome: summary.map(|summary| summary.outcome.clone()).unwrap_or_default(),
        wrong,
        said: summary.map(|summary| summary.said.clone()).unwrap_or_default(),
        hidden: summary
            .and_then(|summary| summary.refusal.clone().filter(|name| !summary.said.contains(name))),
        milliseconds,
        longer: milliseconds.checked_sub(whole).filter(|longer| *longer >= LONGER),
        file: file.to_owned(),
        evidence: report.evidence.clone(),
    }
}

/// How long the clone took until its outcome was evident.
pub fn restored(report: &DrillReport, clone: &str) -> u64 {
    let title = format!("create {clone}");
    report.phases.iter().filter(|phase| phase.title == title).map(|phase| phase.milliseconds).sum()
}

/// Why the drill shows nothing of its fault.
fn in_the_way(report: &DrillReport) -> Option<String> {
    let idle = |finding: &&Finding| finding.subject.starts_with("fault ");
    let undone = |finding: &&Finding| finding.subject.starts_with("step ");
    let found = report.findings.iter().find(|finding| idle(finding) || undone(finding));
    match (report.verdict, found) {
        (Verdict::Passed | Verdict::Failed, None) => None,
        (_, Some(finding)) => Some(finding.seen.clone()),
        (_, None) => Some(report.findings.first().map_or("it broke", |finding| &finding.seen).to_owned()),
    }
}

fn noticed(summary: &ClusterSummary, clone: &str, findings: &[Finding]) -> (Noticed, String) {
    if ["bootstrap-fails", "cannot-start", "rejected"].contains(&summary.outcome.as_str()) {
        return (Noticed::NoClone, String::new());
    }
    let of = |what: &str| findings.iter().find(|finding| finding.subject == format!("{clone}: {what}"));
    // In the order of how much is lost.
    let wrong = match summary.outcome.as_str() {
        "empty" => "it runs, and holds nothing: it was initialised from nothing".to_owned(),
        "wrong-cluster" => "it runs with the data of another cluster".to_owned(),
        "not-restored" => "it runs on what its volume held: nothing was restored".to_owned(),
        "target-not-reached" => "its recovery ended before the time that was asked for".to_owned(),
        "running" if of("data").is_some() => {
            "it runs, and its data are not those of the source at that time".to_owned()
        }
        "running" if of("outcome").is_some() => "it ran, and does not any more".to_owned(),
        "running" if of("backups").is_some() => "it has no backup of its own in the storage".to_owned(),
        "running" if summary.data.starts_with("equals ") => NOTHING_TO_FIND.to_owned(),
        "running" => return (Noticed::NotTried, "its data were not seen".to_owned()),
        other => return (Noticed::NotTried, format!("its outcome is {other}")),
    };
    match (wrong == NOTHING_TO_FIND, summary.said.is_empty()) {
        (true, _) => (Noticed::NothingToNotice, String::new()),
        (false, true) => (Noticed::Nobody, wrong),
        (false, false) => (Noticed::OnlyInTheLog, wrong),
    }
}

/// Why this restore has nothing that the fault could break, where that is so.
pub fn has_nothing_for(report: &DrillReport) -> Option<String> {
    let first = report.findings.iter().find(|finding| finding.subject.starts_with("step 1: fault "))?;
    Some(first.seen.clone())
}

/// What follows for the exit code. What nobody notices, and what is noticed without a cause that has a name, is what a drill is for; a
/// drill that broke proves nothing.
pub fn verdict(lines: &[SabotageLine], broken: bool) -> Verdict {
    let any = |noticed| lines.iter().any(|line| line.noticed == noticed);
    let unnamed = |line: &SabotageLine| {
        line.noticed == Noticed::NoClone && (line.said.is_empty() || line.said == ["unknown"])
    };
    match (broken, any(Noticed::Nobody) || lines.iter().any(unnamed)) {
        (true, _) => Verdict::Broken,
        (false, true) => Verdict::Failed,
        (false, false) => Verdict::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::faults;
    use super::*;

    fn report(outcome: &str, data: &str, said: &[&str], findings: &[&str]) -> DrillReport {
        let file = Path::new("sabotage/part-deleted.yaml");
        let summary = ClusterSummary {
            cluster: "clone".to_owned(),
            outcome: outcome.to_owned(),
            data: data.to_owned(),
            reads: Vec::new(),
            writes: Vec::new(),
            refused: Vec::new(),
            said: said.iter().map(|name| (*name).to_owned()).collect(),
            refusal: None,
            follows: None,
        };
        DrillReport {
            verdict: if findings.is_empty() { Verdict::Passed } else { Verdict::Failed },
            clusters: vec![summary],
            findings: findings.iter().map(|subject| Finding::new(*subject, "", "something else")).collect(),
            ..DrillReport::of_scenario("sabotage-x", file, "v1.15.1", "local", Path::new("evidence"))
        }
    }

    fn noticed_in(report: &DrillReport) -> Noticed {
        told(&faults()[0], "clone", report, 0, &report.file).noticed
    }

    #[test]
    fn a_right_clone_shows_nothing_and_a_silent_wrong_one_is_nobodys() {
        let right = report("running", "equals before-mistake (2 databases)", &[], &[]);
        assert_eq!(noticed_in(&right), Noticed::NothingToNotice);
        let wrong = report("running", "differs from before-mistake (2 databases)", &[], &["clone: data"]);
        assert_eq!(noticed_in(&wrong), Noticed::Nobody);
        let logged = report("target-not-reached", "", &["recovery-ended-before-target"], &["clone: outcome"]);
        assert_eq!(noticed_in(&logged), Noticed::OnlyInTheLog);
        let unkept = report("running", "equals before-mistake (1)", &[], &["clone: backups"]);
        assert_eq!(noticed_in(&unkept), Noticed::Nobody);
        let failed = report("bootstrap-fails", "", &["backup-part-unreadable"], &["clone: outcome"]);
        assert_eq!(noticed_in(&failed), Noticed::NoClone);
    }

    #[test]
    fn what_was_not_seen_is_never_called_right() {
        assert_eq!(noticed_in(&report("running", "2 databases", &[], &[])), Noticed::NotTried);
        assert_eq!(noticed_in(&report("not evident", "", &[], &["clone: outcome"])), Noticed::NotTried);
        let idle = report("running", "equals before-mistake (1)", &[], &["fault damage"]);
        assert_eq!(noticed_in(&idle), Noticed::NotTried);
        let broken = DrillReport { verdict: Verdict::Broken, ..report("running", "equals x", &[], &[]) };
        assert_eq!(noticed_in(&broken), Noticed::NotTried);
        assert_eq!(
            noticed_in(&DrillReport { clusters: Vec::new(), ..report("", "", &[], &[]) }),
            Noticed::NotTried
        );
    }

    #[test]
    fn the_exit_code_says_what_a_drill_is_for() {
        let line = |report: &DrillReport| told(&faults()[0], "clone", report, 0, &report.file);
        let right = line(&report("running", "equals x", &[], &[]));
        let named = line(&report("bootstrap-fails", "", &["backup-part-unreadable"], &[]));
        let unnamed = line(&report("bootstrap-fails", "", &["unknown"], &[]));
        let silent = line(&report("empty", "", &[], &[]));
        let idle = line(&report("running", "equals x", &[], &["fault damage"]));
        assert_eq!(verdict(&[right.clone(), named, idle], false), Verdict::Passed);
        assert_eq!(verdict(&[right.clone(), unnamed], false), Verdict::Failed);
        assert_eq!(verdict(&[right.clone(), silent.clone()], false), Verdict::Failed);
        assert_eq!(verdict(&[right, silent], true), Verdict::Broken);
    }
}

//! The observations as texts, held against reviewed snapshots.

use super::Job;
use super::error::DrillError;
use super::judge::Observed;
use crate::report::Finding;
use crate::scenario::{ObservationKind, Scenario};
use crate::secret::Secret;
use crate::snapshot::leak::{Leak, leaks_in};
use crate::snapshot::redact::Redactor;
use crate::snapshot::store::{self, Mode, SnapshotName};

/// Compares every observation that the scenario wants a snapshot of. `sound` says that all else in the drill was as
/// expected: only then may what was seen become the snapshot, all kinds of it together or none.
///
/// # Errors
/// When a snapshot cannot be read or written, or a variant does not say why it is there.
pub(super) fn compare(
    observed: &Observed,
    scenario: &Scenario,
    place: Drilled<'_>,
    (redactor, secrets): (&Redactor, &[Secret]),
    sound: bool,
) -> Result<Vec<Finding>, DrillError> {
    let kinds = scenario.expect.snapshots.iter();
    let texts: Vec<_> = kinds.map(|&kind| (kind, text(observed, kind, redactor))).collect();
    held(&texts, |kind| name(place, kind), secrets, (place.0.update, sound))
}

/// The drill, and what of it may have snapshots of its own, most telling first.
pub(super) type Drilled<'a> = (&'a Job, &'a [String]);

/// Which snapshot a drill's observation is held against.
pub(super) fn name<'a>((job, peculiar): Drilled<'a>, kind: ObservationKind) -> SnapshotName<'a> {
    let environment = job.which.description().variant;
    SnapshotName { scenario_file: &job.scenario.file, operator: &job.operator, kind, environment, peculiar }
}

fn held<'a>(
    texts: &[(ObservationKind, String)],
    name: impl Fn(ObservationKind) -> SnapshotName<'a>,
    secrets: &[Secret],
    (update, sound): (bool, bool),
) -> Result<Vec<Finding>, DrillError> {
    let mut findings = Vec::new();
    let mut fit = Vec::new();
    for (kind, text) in texts {
        let leaks = leaks_in(&name(*kind).file()?, text, secrets)?;
        match nothing(*kind, text).or_else(|| leaking(*kind, &leaks)) {
            Some(finding) => findings.push(finding),
            None => fit.push((*kind, text)),
        }
        // One that cannot be read is known before any is written.
        store::compare(&name(*kind), text, Mode::Check)?;
    }
    let mode = Mode::from_environment(update, sound && findings.is_empty());
    for (kind, text) in fit {
        findings.extend(store::compare(&name(kind), text, mode)?.finding(&name(kind)));
    }
    Ok(findings)
}

fn leaking(kind: ObservationKind, leaks: &[Leak]) -> Option<Finding> {
    (!leaks.is_empty()).then(|| {
        Finding::new(
            format!("snapshot {}", kind.name()),
            "no secret in it",
            format!("{} secrets; it was not written", leaks.len()),
        )
        .with_evidence(leaks.iter().map(ToString::to_string).collect())
        .with_help("this is a defect of clonedrill")
    })
}

/// An empty text would match an empty snapshot for ever.
fn nothing(kind: ObservationKind, text: &str) -> Option<Finding> {
    text.trim().is_empty().then(|| {
        Finding::new(format!("snapshot {}", kind.name()), "something to be observed", "nothing at all")
            .with_help(format!("take `{}` out of `snapshots` if there is nothing to see", kind.name()))
    })
}

fn text(observed: &Observed, kind: ObservationKind, redactor: &Redactor) -> String {
    match kind {
        ObservationKind::Logs => observed.logs.to_text(),
        ObservationKind::Storage => redactor.redact_known(&observed.storage.to_text()),
        ObservationKind::Env => sections(observed, |cluster| Some(cluster.env.as_ref()?.to_text(redactor))),
        ObservationKind::Data => {
            sections(observed, |cluster| Some(redactor.redact_known(&cluster.data.as_ref()?.to_text())))
        }
    }
}

fn sections(observed: &Observed, text: impl Fn(&super::judge::ObservedCluster) -> Option<String>) -> String {
    let clusters = observed.clusters.iter().filter_map(|(short, cluster)| Some((short, text(cluster)?)));
    clusters
        .map(|(short, text)| format!("cluster {short}\n{}\n", text.trim_end()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "c2VjcmV0+a2V5/b2Y=";

    /// Kinds of findings, and how many snapshots were written.
    fn written(texts: &[(ObservationKind, &str)], sound: bool) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<_> = texts.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        let scenario = folder.path().join("scenarios/clone/x.yaml");
        let name = |kind| SnapshotName {
            scenario_file: &scenario,
            operator: "v1.15.1",
            kind,
            environment: None,
            peculiar: &[],
        };
        let findings = held(&texts, name, &[Secret::new(KEY)], (true, sound)).unwrap();
        let snapshots = std::fs::read_dir(folder.path().join("snapshots/clone/x"));
        let count = snapshots.into_iter().flatten().flatten();
        let count = count.filter(|entry| entry.path().extension().is_some_and(|end| end == "snap")).count();
        (findings.into_iter().map(|finding| finding.seen).collect(), count)
    }

    #[test]
    fn snapshots_are_accepted_together_or_not_at_all() {
        let both = [(ObservationKind::Env, "A=1"), (ObservationKind::Logs, "cluster source")];
        assert_eq!(written(&both, true), (vec![], 2));
        assert_eq!(written(&both, false).1, 0);
        let leaking = format!("key {KEY}");
        let (seen, count) = written(&[both[0], (ObservationKind::Logs, &leaking)], true);
        assert_eq!((seen[0].as_str(), count), ("1 secrets; it was not written", 0));
        assert_eq!(written(&[both[0], (ObservationKind::Logs, " ")], true).1, 0);
    }

    #[test]
    fn an_observation_of_nothing_is_no_snapshot() {
        let subject = |text| nothing(ObservationKind::Data, text).map(|finding| finding.subject);
        assert_eq!(subject(" \n").as_deref(), Some("snapshot data"));
        assert_eq!(subject("cluster source"), None);
    }
}

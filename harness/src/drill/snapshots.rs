//! The observations as texts, held against reviewed snapshots.

use super::Job;
use super::error::DrillError;
use super::judge::Observed;
use crate::report::Finding;
use crate::scenario::{ObservationKind, Scenario};
use crate::snapshot::redact::Redactor;
use crate::snapshot::store::{self, Mode, SnapshotName};

/// Compares every observation that the scenario wants a snapshot of; `accept` makes what was seen the snapshot.
///
/// # Errors
/// When a snapshot cannot be read or written.
pub fn compare(
    observed: &Observed,
    scenario: &Scenario,
    job: &Job,
    redactor: &Redactor,
    accept: bool,
) -> Result<Vec<Finding>, DrillError> {
    let mode = Mode::from_environment(accept);
    let mut findings = Vec::new();
    for &kind in &scenario.expect.snapshots {
        let name = SnapshotName { scenario_file: &job.scenario, operator: &job.operator, kind };
        let text = text(observed, kind, redactor);
        if let Some(nothing) = nothing(kind, &text) {
            findings.push(nothing);
            continue;
        }
        findings.extend(store::compare(&name, &text, mode)?.finding(&name));
    }
    Ok(findings)
}

/// An empty text would match an empty snapshot for ever.
fn nothing(kind: ObservationKind, text: &str) -> Option<Finding> {
    text.trim().is_empty().then(|| Finding {
        subject: format!("snapshot {}", kind.name()),
        expected: "something to be observed".to_owned(),
        seen: "nothing at all".to_owned(),
        evidence: Vec::new(),
        help: format!("take `{}` out of `snapshots` where there is nothing to see", kind.name()),
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

    #[test]
    fn an_observation_of_nothing_is_no_snapshot() {
        let subject = |text| nothing(ObservationKind::Data, text).map(|finding| finding.subject);
        assert_eq!(subject(" \n").as_deref(), Some("snapshot data"));
        assert_eq!(subject("cluster source"), None);
    }
}

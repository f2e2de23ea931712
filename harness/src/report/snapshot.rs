//! What a report says of an observation that is not what was accepted.

use super::Finding;
use crate::snapshot::store::{Comparison, SnapshotName};

impl Comparison {
    /// What a report says of it; nothing where it matches or was accepted.
    pub fn finding(&self, name: &SnapshotName) -> Option<Finding> {
        let subject = format!("snapshot {}", name.kind.name());
        let place = name.environment.map(|name| format!(" --environment {name}")).unwrap_or_default();
        let accept = format!(
            "if this is as it should be: clonedrill run {} --operator {}{place} --update, or cargo insta review",
            name.scenario_file.display(),
            name.operator
        );
        match self {
            Comparison::Matches | Comparison::Accepted { .. } => None,
            Comparison::Missing { file, pending } => Some(Finding {
                subject,
                expected: format!("an accepted snapshot {}", file.display()),
                seen: "there is none yet".to_owned(),
                evidence: pending.iter().map(|path| format!("to review: {}", path.display())).collect(),
                help: accept,
            }),
            Comparison::Differs { file, diff, .. } => Some(Finding {
                subject,
                expected: format!("the same as in {}", file.display()),
                seen: "something else: - accepted, + seen now".to_owned(),
                evidence: diff.clone(),
                help: accept,
            }),
        }
    }
}

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
            Comparison::Missing { file, pending } => Some(
                Finding::new(
                    subject,
                    format!("an accepted snapshot {}", file.display()),
                    "there is none yet",
                )
                .with_evidence(pending.iter().map(|path| format!("to review: {}", path.display())).collect())
                .with_help(accept),
            ),
            Comparison::Differs { file, diff, .. } => Some(
                Finding::new(
                    subject,
                    format!("the same as in {}", file.display()),
                    "something else: - accepted, + seen now",
                )
                .with_evidence(diff.clone())
                .with_help(accept),
            ),
        }
    }
}

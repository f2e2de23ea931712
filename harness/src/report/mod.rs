//! What people and machines read afterwards: terminal, page, JUnit, JSON; and who is told.

mod conformance;
mod details;
mod event;
mod files;
mod html;
mod image;
mod json;
mod junit;
mod progress;
mod proof;
mod rendering;
mod restore;
mod sabotage;
mod snapshot;
mod style;
mod summary;
pub mod tell;
mod terminal;
mod text;
mod upgrade;

pub use conformance::{Conformance, Difference, Kind as DifferenceKind};
pub use event::*;
pub use files::{FilesError, write as write_files};
pub use html::HtmlError;
pub use html::sabotage::write as write_sabotage;
pub use image::PodImage;
pub use json::{JsonError, RunError};
pub use junit::{JunitError, write as write_junit};
pub use proof::{Proof, ProofState, Unchecked};
pub use rendering::{RenderingRecord, Sources, table};
pub use restore::{Backup, Measure, RecoveryPhase, RecoveryPhaseName, Restore};
pub use sabotage::{Noticed, Sabotage, SabotageLine};
pub use terminal::{DrillId, Format, Terminal};
pub(crate) use text::wrap;
pub use upgrade::{UpgradeRecord, matrix, text as upgrade_text};

use crate::exit::Verdict;

/// The verdict of all: broken before interrupted before invalid before failed, since the first of them that happened
/// says least about the backups and must not be taken for a proof. Passed where there are none.
pub fn worst(reports: &[DrillReport]) -> Verdict {
    let weight = |verdict: &Verdict| match verdict {
        Verdict::Passed => 0,
        Verdict::Failed => 1,
        Verdict::Invalid => 2,
        Verdict::Interrupted => 3,
        Verdict::Broken => 4,
    };
    reports.iter().map(|report| report.verdict).max_by_key(weight).unwrap_or(Verdict::Passed)
}

#[cfg(test)]
mod samples;

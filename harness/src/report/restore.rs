//! What a restore drill of a cluster that exists adds to a report: what was proved, how long it took, how much was lost.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::proof::Proof;

/// Free of secrets, like all of a report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Restore {
    /// `namespace/name` of the `postgresql` object whose backup was cloned.
    pub source: String,
    /// `namespace/name` of the clone.
    pub clone: String,
    /// The kubeconfig's context, or `in-cluster`.
    pub context: String,
    /// When the drill began.
    pub started: Option<Timestamp>,
    /// The point in time that was asked for.
    pub target: Option<Timestamp>,
    /// The base backup that was fetched.
    pub backup: Option<Backup>,
    /// Commit time of the last transaction that came back.
    pub recovered_to: Option<Timestamp>,
    /// How much would have been lost.
    pub rpo: Option<Measure>,
    /// How long until the data could be used: from the clone's creation to its promotion and verification.
    pub rto: Option<Measure>,
    /// What `within.rpo` allows, in milliseconds, measured or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_budget: Option<u64>,
    /// What `within.rto` allows, in milliseconds, measured or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_budget: Option<u64>,
    /// In the order of time, one after the other; they add up to the recovery time.
    pub phases: Vec<RecoveryPhase>,
    /// The phase that took most, and why as far as it is known; empty where nothing was measured.
    pub largest_cause: String,
    /// In the order in which they were made; empty where the clone was not to be had.
    pub proofs: Vec<Proof>,
    /// The clone's manifest as it was applied, YAML.
    pub manifest: String,
    /// Commands that do it again.
    pub reproduce: Vec<String>,
}

impl Restore {
    /// How old the base backup was at the target, where both are known: so much WAL was replayed.
    pub fn backup_age(&self) -> Option<Duration> {
        let started = self.backup.as_ref()?.started?;
        Duration::try_from(self.target?.duration_since(started)).ok()
    }
}

/// A base backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// As WAL-G calls it: `base_000000010000000000000004`.
    pub name: String,
    /// When it was begun, where that is known.
    pub started: Option<Timestamp>,
}

/// A measured time beside its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Whole ones, by the clocks that the two ends stand in.
    pub milliseconds: u64,
    /// The true value is this or less: the source may have committed nothing since.
    #[serde(default)]
    pub at_most: bool,
    /// In milliseconds, from `within`.
    pub budget: Option<u64>,
}

impl Measure {
    /// Whether it is within its budget; without one it is.
    pub fn within_budget(&self) -> bool {
        self.budget.is_none_or(|budget| self.milliseconds <= budget)
    }
}

/// What a recovery spends its time with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryPhaseName {
    /// From the clone's creation until its container runs: operator, scheduler, volume, image.
    Start,
    /// Until the base backup to fetch is chosen.
    ListBackups,
    /// Until the base backup is there.
    Fetch,
    /// Until recovery stops replaying.
    Replay,
    /// Until the clone takes connections as a leader, and the operator calls it running.
    Promote,
    /// Until all data were read and compared.
    Verify,
}

impl RecoveryPhaseName {
    /// All phases, in their order.
    pub const ALL: [RecoveryPhaseName; 6] = [
        RecoveryPhaseName::Start,
        RecoveryPhaseName::ListBackups,
        RecoveryPhaseName::Fetch,
        RecoveryPhaseName::Replay,
        RecoveryPhaseName::Promote,
        RecoveryPhaseName::Verify,
    ];

    /// As it stands in reports, metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            RecoveryPhaseName::Start => "start",
            RecoveryPhaseName::ListBackups => "list-backups",
            RecoveryPhaseName::Fetch => "fetch",
            RecoveryPhaseName::Replay => "replay",
            RecoveryPhaseName::Promote => "promote",
            RecoveryPhaseName::Verify => "verify",
        }
    }
}

/// One phase of a recovery, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPhase {
    /// Which phase it is.
    pub phase: RecoveryPhaseName,
    /// When the phase before it ended.
    pub began: Timestamp,
    /// How long it took.
    pub milliseconds: u64,
    /// The line or event that ended it.
    pub shown_by: String,
}

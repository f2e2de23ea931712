//! The steps of a drill, one file for each kind.

mod accounts;
mod backup;
mod create;
mod delete;
mod mark;
mod sql;
mod upgrade_operator;

pub(super) use backup::finished as backups;
pub(super) use mark::summary;

use super::error::DrillError;
use super::world::World;
use crate::environment::Environment;
use crate::scenario::{MarkStep, SqlStep, Step};

impl<E: Environment> World<'_, E> {
    /// Does one step; what comes back is a note for the report.
    ///
    /// # Errors
    /// When the step could not be done; a cluster that does not come up is no error but its outcome.
    pub(super) async fn step(&mut self, step: &Step) -> Result<String, DrillError> {
        if let Step::Sql(SqlStep { on, .. }) | Step::Mark(MarkStep { on, .. }) | Step::Backup(on) = step {
            self.follow_leader(on).await?;
        }
        match step {
            Step::Create(cluster) => self.create(cluster).await,
            Step::Sql(step) => self.sql(step).await,
            Step::Backup(cluster) => self.backup(cluster).await,
            Step::Mark(mark) => self.mark(mark).await,
            Step::Delete(cluster) => self.delete(cluster).await,
            Step::CopyAccount(copy) => self.copy_account(copy).await,
            Step::LoseAccount(account) => self.lose_account(account).await,
            Step::UpgradeOperator(version) => self.upgrade_operator(version).await,
        }
    }
}

/// A step in a few words, for reports.
pub(super) fn title(step: &Step) -> String {
    match step {
        Step::Create(cluster) => format!("create {cluster}"),
        Step::Sql(step) => format!("sql on {}", step.on),
        Step::Backup(cluster) => format!("backup {cluster}"),
        Step::Mark(mark) => format!("mark {} on {}", mark.name, mark.on),
        Step::Delete(cluster) => format!("delete {cluster}"),
        Step::CopyAccount(copy) => format!("copy account {} to {}", copy.from, copy.to),
        Step::LoseAccount(account) => format!("lose account {account}"),
        Step::UpgradeOperator(version) => format!("upgrade operator to {version}"),
    }
}

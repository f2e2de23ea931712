//! The steps of a drill, one file for each kind.

mod accounts;
mod apply;
mod backup;
mod blobs;
mod catch_up;
mod create;
mod damage;
mod delete;
mod failover;
mod fault;
mod mark;
mod restart;
mod restore_in_place;
mod rule;
mod set_secret;
mod sql;
mod upgrade_operator;

pub(super) use backup::{finished as backups, sentinels};
pub(super) use damage::damage;
pub(super) use mark::summary;
pub(super) use rule::of as rule;

use super::error::DrillError;
use super::world::World;
use crate::environment::Environment;
use crate::scenario::{MarkStep, SqlStep, Step};

impl<E: Environment> World<'_, E> {
    /// Does one step, by its number from 0; what comes back is a note for the report.
    ///
    /// # Errors
    /// When the step could not be done; a cluster that does not come up is no error but its outcome.
    pub(super) async fn step(&mut self, index: usize, step: &Step) -> Result<String, DrillError> {
        if let Step::Sql(SqlStep { on, .. })
        | Step::Mark(MarkStep { on, .. })
        | Step::Backup(on)
        | Step::Failover(on)
        | Step::Restart(on) = step
        {
            self.follow_leader(on).await?;
        }
        let at = |field: &str| format!("/steps/{index}/{field}");
        match step {
            Step::Create(cluster) => self.create(cluster).await,
            Step::Sql(step) => self.sql(step).await,
            Step::Backup(cluster) => self.backup(cluster).await,
            Step::Mark(mark) => self.mark(mark).await,
            Step::Delete(cluster) => self.delete(cluster).await,
            Step::Apply(apply) => self.apply(apply, &at("apply/changes")).await,
            Step::SetSecret(set) => self.set_secret(set, &at("set-secret/values")).await,
            Step::Failover(cluster) => self.failover(cluster).await,
            Step::CatchUp(step) => self.catch_up(step).await,
            Step::Restart(cluster) => self.restart(cluster).await,
            Step::RestoreInPlace(step) => self.restore_in_place(step).await,
            Step::Fault(fault) => self.fault(fault).await,
            Step::Heal(name) => self.heal(name).await,
            Step::CopyAccount(copy) => self.copy_account(copy).await,
            Step::LoseAccount(account) => self.lose_account(account).await,
            Step::RotateKey(account) => self.rotate_key(account).await,
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
        Step::Apply(apply) => format!("apply to {}", apply.to),
        Step::SetSecret(set) => format!("set secret {}", set.name),
        Step::Failover(cluster) => format!("failover {cluster}"),
        Step::CatchUp(step) => format!("catch up {} to {}", step.on, step.to),
        Step::Restart(cluster) => format!("restart {cluster}"),
        Step::RestoreInPlace(step) => format!("restore {} in place of {}", step.with, step.of),
        Step::Fault(fault) => format!("fault {}", fault.name),
        Step::Heal(name) => format!("heal {name}"),
        Step::CopyAccount(copy) => format!("copy account {} to {}", copy.from, copy.to),
        Step::LoseAccount(account) => format!("lose account {account}"),
        Step::RotateKey(account) => format!("rotate the key of {account}"),
        Step::UpgradeOperator(version) => format!("upgrade operator to {version}"),
    }
}

//! Steps `copy-account` and `lose-account`: what happens to whole storage accounts.

use std::convert::Infallible;

use jiff::Timestamp;

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::{Environment, Storage};
use crate::poll::{Limit, Seen, poll};
use crate::scenario::CopyAccountStep;
use crate::storage::Rule;

use super::rule;

impl<E: Environment> World<'_, E> {
    pub(super) async fn copy_account(&mut self, step: &CopyAccountStep) -> Result<String, DrillError> {
        let (from, to) = (self.blobs(&step.from)?, self.blobs(&step.to)?);
        self.second_after_marks().await?;
        let teller = &self.teller;
        let done = from
            .copy_account(&to, |so_far| {
                teller.progress(format!("{} of {} blobs", so_far.blobs_done, so_far.blobs_in_all));
            })
            .await?;
        Ok(format!("{} blobs, {} bytes", done.blobs_done, done.bytes_done))
    }

    /// The storage tells the age of a blob in whole seconds: a copy made in the second of a mark would look older
    /// than the mark, and a clone to that mark would find it or not as chance has it.
    async fn second_after_marks(&self) -> Result<(), DrillError> {
        let times = self.marks.values().filter_map(|mark| mark.time.parse::<Timestamp>().ok());
        let Some(last) = times.max() else { return Ok(()) };
        let passed = poll("the second of the last mark to pass", Limit::seconds(5), async || {
            let now = Timestamp::now();
            Ok::<_, Infallible>(match now.as_second() > last.as_second() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("it is {now}, the mark is at {last}")),
            })
        });
        passed.await.map_err(DrillError::from)
    }

    pub(super) async fn rotate_key(&mut self, account: &str) -> Result<String, DrillError> {
        let what = "rotate the key of a storage account";
        let rotated = self.accounts.get_mut(account).ok_or_else(|| DrillError::step(what, account))?;
        let rule = rule::of_rotated_key(account, &rotated.key);
        std::mem::swap(&mut rotated.key, &mut rotated.other_key);
        self.storage.add_rule(rule).await?;
        Ok(format!("{account} has another key, and refuses the old one"))
    }

    pub(super) async fn lose_account(&mut self, account: &str) -> Result<String, DrillError> {
        let host = self.accounts.get(account).map(|account| account.host());
        let host = host.ok_or_else(|| DrillError::step("lose a storage account", account))?;
        self.storage.add_rule(Rule::lose(account)).await?;
        Ok(format!("{host} no longer resolves"))
    }
}

//! Steps `copy-account` and `lose-account`: what happens to whole storage accounts.

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::scenario::CopyAccountStep;

impl<E: Environment> World<'_, E> {
    pub(super) async fn copy_account(&mut self, step: &CopyAccountStep) -> Result<String, DrillError> {
        let (from, to) = (self.blobs(&step.from)?, self.blobs(&step.to)?);
        let teller = &self.teller;
        let done = from
            .copy_account(&to, |so_far| {
                teller.progress(format!("{} of {} blobs", so_far.blobs_done, so_far.blobs_in_all));
            })
            .await?;
        Ok(format!("{} blobs, {} bytes", done.blobs_done, done.bytes_done))
    }

    pub(super) async fn lose_account(&mut self, account: &str) -> Result<String, DrillError> {
        let host = self.accounts.get(account).map(|account| account.host());
        let host = host.ok_or_else(|| DrillError::step("lose a storage account", account))?;
        self.environment.forget_host(&host).await?;
        Ok(format!("{host} no longer resolves"))
    }
}

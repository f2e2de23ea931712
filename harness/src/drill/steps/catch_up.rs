//! Step `catch-up`: the wait until a cluster that follows another one has all that a mark was taken of.

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::scenario::CatchUpStep;

impl<E: Environment> World<'_, E> {
    pub(super) async fn catch_up(&mut self, step: &CatchUpStep) -> Result<String, DrillError> {
        self.follow_leader(&step.on).await?;
        let lag = self.caught_up(&step.on, &step.to).await?;
        Ok(format!("{} bytes missed, and {:.1} s later none", lag.bytes, lag.seconds))
    }
}

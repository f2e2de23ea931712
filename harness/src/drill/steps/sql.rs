//! Step `sql`: statements on a cluster's leader, as the superuser.

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::scenario::{SqlStep, fill_text};

impl<E: Environment> World<'_, E> {
    pub(super) async fn sql(&mut self, step: &SqlStep) -> Result<String, DrillError> {
        let lookup = self.lookup();
        let text = fill_text(self.loaded.sql(step), &|variable| lookup.value(variable))?;
        let client = self.connect(&step.on)?.open(&step.database).await?;
        let what = format!("run SQL on {} in database {}", step.on, step.database);
        let failed = |source| DrillError::Sql { what: what.clone(), source };
        // The observation's session settings would change what the statements mean.
        client.batch_execute("RESET ALL").await.map_err(failed)?;
        client.batch_execute(&text).await.map_err(failed)?;
        Ok(String::new())
    }
}

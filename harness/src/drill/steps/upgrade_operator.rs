//! Step `upgrade-operator`: another release over the running one.

use crate::drill::error::DrillError;
use crate::drill::world::{World, configuration, settings};
use crate::environment::Environment;
use crate::operator::{Release, upgrade};

impl<E: Environment> World<'_, E> {
    pub(super) async fn upgrade_operator(&mut self, version: &str) -> Result<String, DrillError> {
        let tool =
            self.tools.operators.get(version).ok_or_else(|| DrillError::NoOperator(version.to_owned()))?;
        let release = Release::read(tool)?;
        let settings_given = configuration(self.loaded, &self.lookup())?;
        upgrade(self.environment, &release, &settings_given)
            .await
            .map_err(|error| settings(self.loaded, &release, error))?;
        let note = format!("from {} to {}", self.release.version(), release.version());
        self.release = release;
        Ok(note)
    }
}

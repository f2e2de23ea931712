//! Step `set-secret`: other values in a Secret, as when keys are rotated. Pods that run keep what they were started with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::drill::error::DrillError;
use crate::drill::world::{World, placed};
use crate::environment::Environment;
use crate::operator::change;
use crate::scenario::{SetSecretStep, fill_text};
use crate::secret::Secret;

impl<E: Environment> World<'_, E> {
    /// `at` is the place of the values in the file.
    pub(super) async fn set_secret(&mut self, step: &SetSecretStep, at: &str) -> Result<String, DrillError> {
        let lookup = self.lookup();
        let filled = step.values.iter().map(|(key, value)| {
            Ok::<_, DrillError>((key.clone(), fill_text(value, &|variable| lookup.value(variable))?))
        });
        let values: BTreeMap<String, String> = filled.collect::<Result<_, _>>()?;
        // Before anybody else can know them.
        let known = self.secrets();
        let new = values.values().map(Secret::new).filter(|value| {
            !known.contains(value) && !self.accounts.values().any(|account| account.name == value.reveal())
        });
        let new: Vec<Secret> = new.collect();
        self.literals.extend(new);
        let objects = &self.loaded.scenario.objects;
        let is_named =
            |object: &&Value| object["kind"] == "Secret" && object["metadata"]["name"] == step.name.as_str();
        let secret = objects.iter().find(is_named);
        let secret = secret.ok_or_else(|| {
            DrillError::step("set a Secret", format!("no object is a Secret called {}", step.name))
        })?;
        let changes = json!({ "stringData": values });
        let changed = change(&self.client(), self.environment.namespace(), secret, &changes).await;
        changed.map_err(|error| placed(self.loaded, &self.release, at, error))?;
        let keys: Vec<&str> = step.values.keys().map(String::as_str).collect();
        Ok(format!("{}: {}", step.name, keys.join(", ")))
    }
}

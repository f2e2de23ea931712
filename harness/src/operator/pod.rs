//! The operator as a pod of its own, for worlds in which no database runs.

use serde_json::{Value, json};

use crate::environment::RUN_LABEL;
use crate::release::{ManifestError, Release};

/// How the operator is run, where the release's Deployment says otherwise or nothing.
#[derive(Debug, Clone)]
pub struct OperatorPod {
    /// The pod's name.
    pub name: String,
    /// The tag that the image store knows the operator by.
    pub tag: String,
    /// What its environment names for it to read.
    pub settings: SettingsName,
    /// It minds the clusters with this very `acid.zalan.do/controller` only.
    pub controller: String,
    /// Of the program, after its name.
    pub arguments: Vec<String>,
}

/// Where the operator reads its settings from, in its own namespace.
#[derive(Debug, Clone)]
pub enum SettingsName {
    /// An `OperatorConfiguration` of this name.
    Object(String),
    /// A ConfigMap of this name, with flat keys.
    ConfigMap(String),
}

/// The annotation by which operators tell their clusters apart.
pub const CONTROLLER_ANNOTATION: &str = "acid.zalan.do/controller";

impl Release {
    /// A pod from the template of the release's Deployment that watches all namespaces.
    ///
    /// # Errors
    /// When the release's Deployment has no container.
    pub fn pod(&self, run: &OperatorPod) -> Result<Value, ManifestError> {
        let mut spec = self.pod_spec()?;
        let container = &mut spec["containers"][0];
        let (settings, other) = match &run.settings {
            SettingsName::Object(name) => {
                (("POSTGRES_OPERATOR_CONFIGURATION_OBJECT", name), "CONFIG_MAP_NAME")
            }
            SettingsName::ConfigMap(name) => {
                (("CONFIG_MAP_NAME", name), "POSTGRES_OPERATOR_CONFIGURATION_OBJECT")
            }
        };
        let ours = [
            (settings.0, settings.1.as_str()),
            ("WATCHED_NAMESPACE", "*"),
            ("CONTROLLER_ID", &run.controller),
            ("CRD_READY_WAIT_INTERVAL", "100ms"),
        ];
        let mut env = container["env"].as_array().cloned().unwrap_or_default();
        env.retain(|entry| entry["name"] != other && ours.iter().all(|(name, _)| entry["name"] != *name));
        env.extend(ours.iter().map(|(name, value)| json!({ "name": name, "value": value })));
        container["env"] = Value::Array(env);
        container["image"] = json!(format!("clonedrill/postgres-operator:{}", run.tag));
        container["args"] = json!(run.arguments);
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": run.name, "labels": { RUN_LABEL: "true", "name": "postgres-operator" } },
            "spec": spec,
        }))
    }
}

//! Who hears of a restore drill, as its file says it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who hears of the drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// A file of OpenMetrics for node_exporter's textfile collector, replaced in one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_file: Option<PathBuf>,
    /// The Pushgateway's address: `http://pushgateway.monitoring:9091`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushgateway: Option<String>,
    /// Kubernetes Events on the source object; the drill then needs the right to create them in its namespace.
    #[serde(default)]
    pub events: bool,
    /// A request to somebody's address at the drill's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A request to somebody's address. Such addresses are secrets, so the file only says where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The environment variable that holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// The file that holds the address, such as a mounted Secret's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// The body, JSON in which `${…}` is filled in; without it, the drill's JSON result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Also of drills that passed.
    #[serde(default)]
    pub always: bool,
}

//! The operator's configuration as a `ConfigMap`: how it is told from others.

use serde_json::{Map, Value};

/// Keys that the operator's flat form has in every release, and that nobody else's ConfigMap has by chance.
const KEYS: &[&str] = &[
    "cluster_history_entries",
    "cluster_labels",
    "cluster_name_label",
    "docker_image",
    "pod_environment_configmap",
    "pod_environment_secret",
    "pod_role_label",
    "pod_service_account_name",
    "pod_terminate_grace_period",
    "repair_period",
    "replication_username",
    "resource_check_interval",
    "resync_period",
    "secret_name_template",
    "spilo_privileged",
    "super_username",
    "wal_az_storage_account",
    "wal_gs_bucket",
    "wal_s3_bucket",
    "watched_namespace",
];

/// Whether a ConfigMap is one: two such keys, or one under the name that the operator's own manifests give it.
pub(super) fn is_of_operator(object: &Map<String, Value>) -> bool {
    let Some(data) = object.get("data").and_then(Value::as_object) else { return false };
    let known = data.keys().filter(|key| KEYS.contains(&key.as_str())).count();
    let named = object.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
    known >= 2 || (known == 1 && named == Some("postgres-operator"))
}

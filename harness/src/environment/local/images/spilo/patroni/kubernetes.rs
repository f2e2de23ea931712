//! Kubernetes as Patroni's store, from the `KUBERNETES_` variables.

use serde_json::{Map, Value, json};

use crate::environment::local::images::spilo::log::Voice;
use crate::spilo::{Release, Settings};

/// Adds the sections `kubernetes` and `namespace` where the operator asked for Kubernetes as the store.
pub(super) fn add(config: &mut Map<String, Value>, settings: &Settings, release: Release) {
    let variables = &settings.variables;
    if !variables.is_there("KUBERNETES_SERVICE_HOST") || !settings.is_set("DCS_ENABLE_KUBERNETES_API") {
        return;
    }
    let mut section: Map<String, Value> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("KUBERNETES_")?.to_lowercase(), json!(value))))
        .collect();
    for (key, default) in [("labels", json!({"application": "spilo"})), ("bootstrap_labels", json!({}))] {
        let given = section.get(key).and_then(Value::as_str).unwrap_or_default();
        let labels =
            serde_json::from_str::<Map<String, Value>>(given).map(Value::Object).unwrap_or_else(|error| {
                Voice::Bootstrapping.warning(format_args!(
                    "could not parse kubernetes {key} as a JSON: {error}, reverting to the default: {default}"
                ));
                default
            });
        section.insert(key.to_owned(), labels);
    }
    if release.leader_is_always_master() {
        for key in ["leader_label_value", "standby_leader_label_value"] {
            section.insert(key.to_owned(), json!("master"));
        }
    }
    if section.remove("use_configmaps").is_none_or(|value| value == "") {
        section.insert("use_endpoints".to_owned(), json!(true));
        section.insert("pod_ip".to_owned(), json!(variables.text("POD_IP")));
        section.insert("ports".to_owned(), json!([{"port": 5432, "name": "postgresql"}]));
    }
    let bypass = section.remove("bypass_api_service");
    if bypass.as_ref().and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        section.insert("bypass_api_service".to_owned(), json!(true));
    }
    config.insert("kubernetes".to_owned(), Value::Object(section));
    let namespace = settings.text("NAMESPACE");
    if !matches!(namespace, "" | "default") {
        config.insert("namespace".to_owned(), json!(namespace));
    }
}

//! Where a variable came from, decided by comparing with what people wrote, never by knowing the operator.

use serde_json::Value;

use super::EnvInputs;
use crate::scenario::EnvOrigin;

/// Each source that holds this very name and value is a candidate; more than one is ambiguous. Where there is none, the
/// clone section made what has its prefix, and the operator configuration what stands in it as a value.
pub(super) fn of(name: &str, item: &Value, inputs: &EnvInputs) -> EnvOrigin {
    let candidates = [
        (EnvOrigin::SpecEnv, in_spec_env(item, &inputs.manifest)),
        (EnvOrigin::PodEnvironmentSecret, in_pod_secret(name, item, inputs)),
        (EnvOrigin::PodEnvironmentConfigmap, in_pod_configmap(name, item, inputs)),
        (EnvOrigin::CloneSection, repeated_by_clone_section(name, item, inputs)),
    ];
    let mut found = candidates.into_iter().filter(|(_, holds)| *holds).map(|(origin, _)| origin);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => EnvOrigin::Ambiguous,
        (Some(only), None) => only,
        // A clone's account has the value of a setting, but would not stand there without the clone section.
        (None, _) if of_clone_section(name, &inputs.manifest) => EnvOrigin::CloneSection,
        (None, _) if in_configuration(item, &inputs.operator_configuration) => {
            EnvOrigin::OperatorConfiguration
        }
        (None, _) => EnvOrigin::Operator,
    }
}

/// The clone section appended the very value that the manifest has as well: which is which cannot be told.
fn repeated_by_clone_section(name: &str, item: &Value, inputs: &EnvInputs) -> bool {
    let same = |other: &&Value| other.get("name") == item.get("name") && written(other) == written(item);
    let own = inputs.manifest.pointer("/spec/env").and_then(Value::as_array);
    let own = own.map_or(0, |env| env.iter().filter(same).count());
    own > 0
        && of_clone_section(name, &inputs.manifest)
        && inputs.template_env.iter().filter(same).count() > own
}

fn written(item: &Value) -> Value {
    match item.get("valueFrom") {
        Some(source) => without_defaults(source),
        None => item.get("value").cloned().unwrap_or_else(|| Value::String(String::new())),
    }
}

fn in_spec_env(item: &Value, manifest: &Value) -> bool {
    manifest.pointer("/spec/env").and_then(Value::as_array).is_some_and(|env| {
        env.iter().any(|own| own.get("name") == item.get("name") && written(own) == written(item))
    })
}

/// The API server adds `apiVersion: v1` to a field reference.
fn without_defaults(source: &Value) -> Value {
    let mut source = source.clone();
    if let Some(field) = source.get_mut("fieldRef").and_then(Value::as_object_mut) {
        field.remove("apiVersion");
    }
    source
}

fn in_pod_secret(name: &str, item: &Value, inputs: &EnvInputs) -> bool {
    let Some(content) = &inputs.pod_environment_secret else { return false };
    let Some(secret) = content.get(name) else { return false };
    let configured =
        inputs.operator_configuration.pointer("/kubernetes/pod_environment_secret").and_then(Value::as_str);
    // The setting may name a namespace before the Secret.
    let configured = configured.map(|name| name.rsplit('/').next().unwrap_or(name));
    match item.pointer("/valueFrom/secretKeyRef") {
        Some(reference) => {
            let text = |key: &str| reference.get(key).and_then(Value::as_str);
            text("key") == Some(name) && (configured.is_none() || text("name") == configured)
        }
        None => item.get("value").and_then(Value::as_str) == Some(secret.reveal()),
    }
}

fn in_pod_configmap(name: &str, item: &Value, inputs: &EnvInputs) -> bool {
    let Some(content) = &inputs.pod_environment_configmap else { return false };
    let Some(value) = content.get(name) else { return false };
    match item.pointer("/valueFrom/configMapKeyRef/key").and_then(Value::as_str) {
        Some(key) => key == name,
        None => item.get("value").and_then(Value::as_str) == Some(value),
    }
}

/// Any text of the configuration with this very value. Switches and numbers stand in too many places to tell.
fn in_configuration(item: &Value, configuration: &Value) -> bool {
    let Some(value) = item.get("value").and_then(Value::as_str) else { return false };
    let telling = value.len() > 2 && !matches!(value, "true" | "false") && value.parse::<f64>().is_err();
    telling && holds(configuration, value)
}

fn holds(configuration: &Value, value: &str) -> bool {
    match configuration {
        Value::String(text) => text == value,
        Value::Array(items) => items.iter().any(|item| holds(item, value)),
        Value::Object(fields) => fields.values().any(|field| holds(field, value)),
        _ => false,
    }
}

/// What is left with such a name, where the manifest has such a section and nobody else wrote it.
fn of_clone_section(name: &str, manifest: &Value) -> bool {
    let section = |prefix: &str, path: &str| name.starts_with(prefix) && manifest.pointer(path).is_some();
    section("CLONE_", "/spec/clone") || section("STANDBY_", "/spec/standby")
}

//! Keys that stand in manifests for all to read.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::manifests::{Document, Kind};
use crate::secret::{is_a_word, is_told_by_form, is_told_by_name};
use crate::yaml::child;

pub(super) static IN_MANIFEST: Definition = Definition {
    code: "key-in-manifest",
    severity: Severity::Error,
    title: "a key stands in plain text in a postgresql manifest",
    page: definition::page!("key-in-manifest"),
    shown: Shown::By(&["check/key-in-plain-text"]),
    find: |world, found| world.manifests.of_kind(Kind::Postgresql).for_each(|cluster| in_env(found, cluster)),
};

pub(super) static IN_CONFIG_MAP: Definition = Definition {
    code: "key-in-configmap",
    severity: Severity::Error,
    title: "a key stands in plain text in a ConfigMap",
    page: definition::page!("key-in-configmap"),
    shown: Shown::By(&["check/key-in-plain-text"]),
    find: in_config_map,
};

fn in_config_map(world: &World<'_>, found: &mut Found) {
    for map in world.manifests.of_kind(Kind::ConfigMap) {
        let data = map.value.get("data").and_then(Value::as_object);
        for (name, _) in data.into_iter().flatten().filter(|(name, value)| is_key(name, value.as_str())) {
            let message = format!(
                "ConfigMap {}: everyone who may read ConfigMaps, StatefulSets or the repository can read {name}",
                map.full_name()
            );
            let repair = format!(
                "move {name} into a Secret, such as the operator's pod_environment_secret, and make a new key"
            );
            let place = map.place_of_key(&child("/data", name));
            found.add(String::new(), place, "a key in plain text", message, repair);
        }
    }
}

fn in_env(found: &mut Found, cluster: &Document) {
    let items = cluster.value.pointer("/spec/env").and_then(Value::as_array);
    for (at, item) in items.into_iter().flatten().enumerate() {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let Some(name) = text("name").filter(|name| is_key(name, text("value"))) else { continue };
        let message = format!(
            "{}: the pods will have {name} in plain text: everyone who may read postgresql objects, StatefulSets or the \
             repository can read it",
            cluster.full_name()
        );
        let repair = format!(
            "valueFrom: {{ secretKeyRef: {{ name: <secret>, key: <key> }} }} in place of {name}'s value, and a new key"
        );
        let place = cluster.place(&format!("/spec/env/{at}/name"));
        found.add(cluster.full_name(), place, "a key in plain text", message, repair);
    }
}

/// A reference to another variable is no key.
fn is_key(name: &str, value: Option<&str>) -> bool {
    value.is_some_and(|value| {
        is_told_by_form(value) || (is_told_by_name(name) && !is_a_word(value) && !value.contains("$("))
    })
}

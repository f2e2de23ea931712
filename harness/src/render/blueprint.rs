//! What a world is made from: the input as it will be created, but for its namespaces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::form::complete;
use super::types::{RenderInput, Settings};
use crate::operator::{CONTROLLER_ANNOTATION, Release, SettingsName, merge};

/// An `OperatorConfiguration` as it stands in a cluster whose definition is that of `release`, as far as `later` knows it.
pub(super) fn completed(object: &Value, release: &Release, later: &Release) -> Value {
    let mut object = object.clone();
    let kind = "OperatorConfiguration";
    if let (Some(schema), Some(known)) = (release.schema(kind), later.schema(kind)) {
        complete(&mut object, schema, known);
    }
    object
}

/// The namespace of an object that names none.
const DEFAULT: &str = "default";
/// What the API server writes, and refuses or ignores where others do.
const SERVERS_OWN: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
];

/// One world, before it is made.
#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    /// The `OperatorConfiguration` or `ConfigMap` as it is applied.
    pub settings: Value,
    /// The namespace that the operator runs in.
    pub home: String,
    /// Secrets and ConfigMaps, with their namespaces.
    pub objects: Vec<(String, Value)>,
    /// `postgresql` manifests, with their namespaces.
    pub clusters: Vec<(String, Value)>,
    /// What had to be made up, one line each.
    pub made_up: Vec<String>,
}

impl Blueprint {
    /// The input as people have it.
    pub(super) fn plain(input: &RenderInput, release: &Release) -> Blueprint {
        let settings = match &input.settings {
            Settings::Release => release.default_configuration().clone(),
            Settings::OverRelease(object) => {
                let mut settings = release.default_configuration().clone();
                merge(&mut settings, object);
                settings
            }
            // The API server completes it in the same way; here it is for the markers of values that nobody gave.
            Settings::Object(object) => completed(object, release, release),
            Settings::ConfigMap(object) => object.clone(),
        };
        let namespaced = |object: &Value| (namespace_of(object), bare(object));
        let mut blueprint = Blueprint {
            home: namespace_of(&settings),
            settings: bare(&settings),
            objects: input.objects.iter().map(namespaced).collect(),
            clusters: input.clusters.iter().map(namespaced).collect(),
            made_up: Vec::new(),
        };
        blueprint.make_up_missing();
        blueprint
    }

    /// Whether the settings are flat keys of a ConfigMap.
    pub(super) fn is_flat(&self) -> bool {
        self.settings["kind"] == "ConfigMap"
    }

    /// How the operator finds its settings.
    pub(super) fn settings_name(&self) -> SettingsName {
        let name = self.settings["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.is_flat() { SettingsName::ConfigMap(name) } else { SettingsName::Object(name) }
    }

    /// Every namespace that the world has.
    pub(super) fn namespaces(&self) -> BTreeSet<&str> {
        let all = self.objects.iter().chain(&self.clusters).map(|(namespace, _)| namespace.as_str());
        all.chain([self.home.as_str()]).collect()
    }

    /// What the operator cannot go on without and nobody gave: it may well exist where the input is from, so an
    /// empty one stands in for it.
    fn make_up_missing(&mut self) {
        let setting = |key: &str| {
            let path = if self.is_flat() { "/data" } else { "/configuration/kubernetes" };
            let text = self.settings.pointer(&format!("{path}/{key}")).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let clusters: BTreeSet<String> =
            self.clusters.iter().map(|(namespace, _)| namespace.clone()).collect();
        let mut missing = Vec::new();
        if let Some(name) = setting("pod_environment_secret") {
            let lacking = clusters.iter().filter(|namespace| !self.has("Secret", namespace, &name));
            missing.extend(lacking.map(|namespace| ("Secret", namespace.clone(), name.clone())));
        }
        if let Some(reference) = setting("pod_environment_configmap") {
            let (namespace, name) = reference.split_once('/').unwrap_or((&self.home, &reference));
            // The operator looks into the cluster's own namespace too.
            let lacks = !self.has("ConfigMap", namespace, name)
                && clusters.iter().any(|cluster| !self.has("ConfigMap", cluster, name));
            if lacks {
                missing.push(("ConfigMap", namespace.to_owned(), name.to_owned()));
            }
        }
        for (kind, namespace, name) in missing {
            self.made_up.push(format!(
                "the {kind} {namespace}/{name}, which the operator's settings name, is not among the objects: \
                 rendered as if it were empty"
            ));
            let object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
            self.objects.push((namespace, object));
        }
    }

    fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.objects.iter().any(|(own, object)| {
            own == namespace && object["kind"] == kind && object["metadata"]["name"] == name
        })
    }
}

fn namespace_of(object: &Value) -> String {
    let given = object.pointer("/metadata/namespace").and_then(Value::as_str);
    given.filter(|namespace| !namespace.is_empty()).unwrap_or(DEFAULT).to_owned()
}

/// The object without what only the API server writes, so that what was read from a cluster can be created.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("namespace");
        for field in SERVERS_OWN {
            metadata.shift_remove(field);
        }
    }
    object
}

/// Names of the namespaces on the control plane, by what the input calls them.
pub(super) type Namespaces = BTreeMap<String, String>;

/// The settings as the operator gets them in a world whose namespaces have other names: `namespace/name` follows.
pub(super) fn settled(settings: &Value, namespaces: &Namespaces) -> Value {
    match settings {
        Value::String(text) => {
            let reference = text.split_once('/').filter(|(_, name)| !name.contains(['/', ':', ' ']));
            let renamed = reference.and_then(|(namespace, name)| Some((namespaces.get(namespace)?, name)));
            Value::String(renamed.map_or_else(|| text.clone(), |(own, name)| format!("{own}/{name}")))
        }
        Value::Array(items) => items.iter().map(|item| settled(item, namespaces)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| (key.clone(), settled(field, namespaces)))
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

/// The manifest as a cluster of the operator with this controller id.
pub(super) fn minded_by(cluster: &Value, controller: &str) -> Value {
    let mut cluster = cluster.clone();
    if !cluster["metadata"]["annotations"].is_object() {
        cluster["metadata"]["annotations"] = json!({});
    }
    cluster["metadata"]["annotations"][CONTROLLER_ANNOTATION] = json!(controller);
    cluster
}

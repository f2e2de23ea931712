//! Secrets and ConfigMaps that are referred to, and are not among the manifests.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity};
use crate::check::world::{Cluster, World};
use crate::manifests::{Document, Kind};
use crate::render::RenderedVariable;

pub(super) static DEFINITION: Definition = Definition {
    code: "reference-not-given",
    severity: Severity::Warning,
    title: "a Secret, ConfigMap or key that is referred to is not among the manifests",
    page: definition::page!("reference-not-given"),
    shown_by: &["clone/reference-not-given"],
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let mut said = BTreeSet::new();
        for variable in rendered.pod.entries() {
            // What the operator makes itself, such as the Secrets of its users, nobody need give.
            if variable.origins.is_empty() && cluster.spec_env(&variable.name).is_none() {
                continue;
            }
            for (kind, at) in [(Kind::Secret, "secretKeyRef"), (Kind::ConfigMap, "configMapKeyRef")] {
                let Some(reference) = variable.item.pointer(&format!("/valueFrom/{at}")) else { continue };
                let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
                let (name, key) = (text("name"), text("key"));
                let object = world.manifests.find(kind, &cluster.document.namespace, name);
                let optional = reference.get("optional") == Some(&Value::Bool(true));
                if object.is_some_and(|object| holds(object, key))
                    || optional
                    || !said.insert((kind, name.to_owned(), key.to_owned()))
                {
                    continue;
                }
                add(world, found, cluster, variable, (kind, name, key), object);
            }
        }
    }
}

fn holds(object: &Document, key: &str) -> bool {
    ["data", "stringData", "binaryData"]
        .iter()
        .any(|field| object.value.get(field).and_then(|data| data.get(key)).is_some())
}

fn add(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    variable: &RenderedVariable,
    (kind, name, key): (Kind, &str, &str),
    object: Option<&Document>,
) {
    let kind = kind.name();
    let namespace = &cluster.document.namespace;
    let what = match object {
        Some(_) => format!("the {kind} {name} has no key {key}"),
        None => format!("the {kind} {name} in the namespace {namespace}"),
    };
    let place = world.place_of(cluster, variable);
    let (message, label, repair) = match object {
        Some(_) => (
            format!(
                "{}: the pods will not start: {what}, which {} takes its value from",
                cluster.name(),
                variable.name
            ),
            format!("no key {key}"),
            format!("add {key} to the {kind}, or name one of its keys"),
        ),
        None => (
            format!(
                "{}: the pods will not start unless {what} exists and has the key {key}; it is not among the manifests",
                cluster.name()
            ),
            "not among the manifests".to_owned(),
            format!(
                "look with `kubectl -n {namespace} get {} {name}`, or give its manifest as well",
                kind.to_lowercase()
            ),
        ),
    };
    let finding = found.add(cluster.name(), place, label, message, repair);
    if let Some(object) = object {
        finding.beside(object.place_of_name(), "has no such key");
    }
}

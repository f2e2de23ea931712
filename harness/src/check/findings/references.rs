//! Secrets and ConfigMaps that are referred to, and are not among the manifests: they may exist in the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::missing::{self, Missing};
use crate::check::world::{Cluster, World};
use crate::manifests::{Document, Kind, OfAllPods};
use crate::render::RenderedVariable;

pub(super) static SECRET: Definition = Definition {
    code: "missing-secret",
    severity: Severity::Warning,
    title: "a Secret that is referred to is not among the manifests",
    page: definition::page!("missing-secret"),
    shown: Shown::By(&["check/missing-secret", "check/missing-pod-environment-secret"]),
    find: |world, found| {
        objects(world, found, Kind::Secret);
        settings(world, found, Kind::Secret);
    },
};

pub(super) static SECRET_KEY: Definition = Definition {
    code: "missing-secret-key",
    severity: Severity::Warning,
    title: "a key that is referred to is not in its Secret",
    page: definition::page!("missing-secret-key"),
    shown: Shown::By(&["check/missing-secret"]),
    find: |world, found| keys(world, found, Kind::Secret),
};

pub(super) static CONFIG_MAP: Definition = Definition {
    code: "missing-configmap",
    severity: Severity::Warning,
    title: "a ConfigMap that is referred to is not among the manifests",
    page: definition::page!("missing-configmap"),
    shown: Shown::By(&["check/missing-configmap"]),
    find: |world, found| {
        objects(world, found, Kind::ConfigMap);
        settings(world, found, Kind::ConfigMap);
    },
};

pub(super) static CONFIG_MAP_KEY: Definition = Definition {
    code: "missing-configmap-key",
    severity: Severity::Warning,
    title: "a key that is referred to is not in its ConfigMap",
    page: definition::page!("missing-configmap-key"),
    shown: Shown::By(&["check/missing-secret"]),
    find: |world, found| keys(world, found, Kind::ConfigMap),
};

/// One reference of a manifest.
struct Reference<'r> {
    variable: &'r RenderedVariable,
    name: &'r str,
    key: &'r str,
    /// What it refers to, where that is among the manifests.
    object: Option<&'r Document>,
}

/// The references of `spec.env` that reach the pods. What the operator refers to of its own, such as the Secrets of its
/// users, it makes itself.
fn references<'r>(world: &World<'r>, cluster: &Cluster<'r>, kind: Kind) -> Vec<Reference<'r>> {
    let Ok(rendered) = &cluster.rendered else { return Vec::new() };
    let at = if kind == Kind::Secret { "/valueFrom/secretKeyRef" } else { "/valueFrom/configMapKeyRef" };
    let found = rendered.entries().iter().filter_map(|variable| {
        cluster.spec_env(&variable.name)?;
        let reference = variable.item.pointer(at)?;
        if reference.get("optional") == Some(&Value::Bool(true)) {
            return None;
        }
        let text = |key: &str| reference.get(key).and_then(Value::as_str);
        let (name, key) = (text("name")?, text("key")?);
        let object = world.manifests.find(kind, &cluster.document.namespace, name);
        Some(Reference { variable, name, key, object })
    });
    found.collect()
}

fn objects(world: &World<'_>, found: &mut Found, kind: Kind) {
    for cluster in &world.clusters {
        let mut said = BTreeSet::new();
        for Reference { variable, name, key, .. } in
            references(world, cluster, kind).into_iter().filter(|reference| reference.object.is_none())
        {
            if !said.insert(name) {
                continue;
            }
            let namespace = &cluster.document.namespace;
            let absent = nowhere(world, kind, namespace, name);
            let kind = kind.name();
            let message = format!(
                "{}: {kind} {namespace}/{name} is {absent}; without it and its key `{key}` the pods do not start \
                 (CreateContainerConfigError), since {} takes its value from there",
                cluster.name(),
                variable.name
            );
            let repair = repair(world, (kind, namespace, name));
            found.add(
                cluster.name(),
                world.place_of(cluster, variable),
                "not among the manifests",
                message,
                repair,
            );
        }
    }
}

/// Where an object is not, as far as was looked.
fn nowhere(world: &World<'_>, kind: Kind, namespace: &str, name: &str) -> &'static str {
    match world.manifests.is_absent(kind, namespace, name) {
        true => "neither in the input nor in the cluster",
        false => "not in the input",
    }
}

/// What to do about an object that is not there: one of its name may be, elsewhere or with the hash of kustomize behind it.
fn repair(world: &World<'_>, (kind, namespace, name): (&str, &str, &str)) -> String {
    let look = format!(
        "give its manifest as well, or look with `kubectl -n {namespace} get {} {name}`",
        kind.to_lowercase()
    );
    let alike = || world.manifests.documents.iter().filter(|document| document.kind.name() == kind);
    let hashed = |own: &str| {
        own.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|hash| hash.len() == 10 && hash.chars().all(|symbol| symbol.is_ascii_alphanumeric()))
    };
    if let Some(built) = alike().find(|document| document.namespace == namespace && hashed(&document.name)) {
        return format!(
            "set generatorOptions: {{ disableNameSuffixHash: true }} in the kustomization: it made {}, and kustomize does not \
             follow references in the operator's objects",
            built.name
        );
    }
    match alike().find(|document| document.name == name) {
        Some(other) => format!(
            "make it in the namespace {namespace} too: there is one in {}, and pods take objects of their own namespace only; or {look}",
            other.namespace
        ),
        None => look,
    }
}

fn keys(world: &World<'_>, found: &mut Found, kind: Kind) {
    for cluster in &world.clusters {
        for Reference { variable, name, key, object } in references(world, cluster, kind) {
            let Some(object) = object.filter(|object| !holds(object, key) && !object.partial) else {
                continue;
            };
            let message = format!(
                "{}: the pods will not start (CreateContainerConfigError): {} takes its value from the key `{key}` of the {} {name}, \
                 which has no such key",
                cluster.name(),
                variable.name,
                kind.name()
            );
            let repair = format!("add {key} to the {}, or name one of its keys", kind.name());
            let finding =
                found.add(cluster.name(), world.place_of(cluster, variable), "no such key", message, repair);
            finding.beside(object.place_of_name(), format!("has no {key}"));
        }
    }
}

fn holds(object: &Document, key: &str) -> bool {
    ["data", "stringData", "binaryData"]
        .iter()
        .any(|field| object.value.get(field).and_then(|data| data.get(key)).is_some())
}

/// What the operator's own settings refer to.
fn settings(world: &World<'_>, found: &mut Found, kind: Kind) {
    let Some(settings) = world.manifests.settings() else { return };
    let namespaces: BTreeSet<&str> =
        world.clusters.iter().map(|cluster| cluster.document.namespace.as_str()).collect();
    let missing: BTreeSet<Missing> =
        namespaces.iter().flat_map(|namespace| missing::of_pods(world.manifests, namespace)).collect();
    let missing = missing.into_iter().filter(|missing| missing.named.kind == kind && !missing.is_there);
    for Missing { named: OfAllPods { namespace, name, setting, pointer, .. }, .. } in missing {
        let absent = nowhere(world, kind, &namespace, &name);
        let kind = kind.name();
        let message = format!(
            "{kind} {namespace}/{name} is {absent}; without it the operator creates no cluster in the namespace \
             ({setting} names it), and what it may add to the pods is not known"
        );
        let repair = repair(world, (kind, &namespace, &name));
        found.add(String::new(), settings.place(&pointer), "not among the manifests", message, repair);
    }
}

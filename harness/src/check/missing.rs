//! What the operator's own settings refer to for all pods, and what of that is not among the manifests.

use crate::manifests::{Kind, Manifests};

/// The settings that name an object whose keys become variables of every pod.
const SETTINGS: [(Kind, &str); 2] =
    [(Kind::Secret, "pod_environment_secret"), (Kind::ConfigMap, "pod_environment_configmap")];

/// An object that a setting names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub setting: &'static str,
    /// Of the setting, inside the document that configures the operator.
    pub pointer: String,
    /// It is there, and only its keys are not all known.
    pub is_there: bool,
}

/// What is missing for the clusters of a namespace.
pub(super) fn of_pods(manifests: &Manifests, namespace: &str) -> Vec<Missing> {
    let Some(settings) = manifests.settings() else { return Vec::new() };
    let section =
        if settings.kind == Kind::OperatorConfigMap { "/data" } else { "/configuration/kubernetes" };
    let named = SETTINGS.into_iter().filter_map(|(kind, setting)| {
        let pointer = format!("{section}/{setting}");
        let reference = settings.text(&pointer).filter(|reference| !reference.is_empty())?;
        // A Secret is looked for beside the cluster, a ConfigMap where the setting says, else beside the operator.
        let (namespace, name) = match (kind, reference.split_once('/')) {
            (Kind::Secret, given) => (namespace, given.map_or(reference, |(_, name)| name)),
            (_, Some((given, name))) => (given, name),
            (_, None) => (settings.namespace.as_str(), reference),
        };
        // One that is made in the cluster may have more keys than are known.
        let found = manifests.find(kind, namespace, name);
        found.is_none_or(|document| document.partial).then(|| Missing {
            is_there: found.is_some(),
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            setting,
            pointer,
        })
    });
    named.collect()
}

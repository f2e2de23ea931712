//! The objects that the operator's own settings name for the variables of every pod.

use super::{Kind, Manifests};

/// The settings that name an object whose keys become variables of every pod.
const SETTINGS: [(Kind, &str); 2] =
    [(Kind::Secret, "pod_environment_secret"), (Kind::ConfigMap, "pod_environment_configmap")];

/// An object that a setting names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfAllPods {
    /// A Secret or a ConfigMap.
    pub kind: Kind,
    /// Where the operator looks for it.
    pub namespace: String,
    /// Without its namespace.
    pub name: String,
    /// Such as `pod_environment_secret`.
    pub setting: &'static str,
    /// Of the setting, inside the document that configures the operator.
    pub pointer: String,
}

impl Manifests {
    /// What the settings name for the clusters of a namespace, whether or not it is among the manifests.
    pub fn of_all_pods(&self, of_cluster: &str) -> Vec<OfAllPods> {
        let Some(settings) = self.settings() else { return Vec::new() };
        let section =
            if settings.kind == Kind::OperatorConfigMap { "/data" } else { "/configuration/kubernetes" };
        let named = SETTINGS.into_iter().filter_map(|(kind, setting)| {
            let pointer = format!("{section}/{setting}");
            let reference = settings.text(&pointer).filter(|reference| !reference.is_empty())?;
            // A Secret is looked for beside the cluster, a ConfigMap where the setting says, else beside the operator.
            let (namespace, name) = match (kind, reference.split_once('/')) {
                (Kind::Secret, given) => (of_cluster, given.map_or(reference, |(_, name)| name)),
                (_, Some((given, name))) => (given, name),
                (_, None) => (settings.namespace.as_str(), reference),
            };
            // Where there is none of the name, the operator takes the one beside the cluster.
            let is_beside = kind == Kind::ConfigMap
                && self.find(kind, namespace, name).is_none()
                && self.find(kind, of_cluster, name).is_some();
            let namespace = if is_beside { of_cluster } else { namespace };
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Some(OfAllPods { kind, namespace, name, setting, pointer })
        });
        named.collect()
    }
}

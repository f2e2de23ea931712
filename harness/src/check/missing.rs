//! What the operator's own settings refer to for all pods, and what of that is not among the manifests.

use crate::manifests::{Manifests, OfAllPods};

/// An object that a setting names, and whose keys are not all known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    pub named: OfAllPods,
    /// It is there, and only its keys are not all known.
    pub is_there: bool,
}

/// What is missing for the clusters of a namespace.
pub(super) fn of_pods(manifests: &Manifests, namespace: &str) -> Vec<Missing> {
    let named = manifests.of_all_pods(namespace).into_iter().filter_map(|named| {
        // One that is made in the cluster may have more keys than are known.
        let found = manifests.find(named.kind, &named.namespace, &named.name);
        found.is_none_or(|document| document.partial).then(|| Missing { is_there: found.is_some(), named })
    });
    named.collect()
}

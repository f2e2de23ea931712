//! What a drill needs to be allowed, so that it can say so before it begins.

use super::clean::REMOVED;
use super::file::RestoreDrill;
use crate::environment::cluster::Right;

/// In the order in which they are needed. `ci/kubernetes/rbac.yaml` grants them.
pub fn needed(drill: &RestoreDrill) -> Vec<Right> {
    let (source, into) = (&drill.source.namespace, &drill.into.namespace);
    let mut rights = vec![
        Right::new("get", "postgresqls.acid.zalan.do", source),
        Right::new("get", "statefulsets.apps", source),
        Right::new("get", "endpoints", source),
        Right::new("get", "configmaps", source),
    ];
    if drill.compare.is_some() {
        rights.extend([
            Right::new("list", "pods", source),
            Right::new("create", "pods/portforward", source),
            Right::new("get", "secrets", source),
        ]);
    }
    if drill.tell.events {
        rights.push(Right::new("create", "events.events.k8s.io", source));
    }
    rights.extend(removing(into));
    rights.extend([
        Right::new("create", "postgresqls.acid.zalan.do", into),
        Right::new("get", "statefulsets.apps", into),
        Right::new("get", "pods", into),
        Right::new("get", "pods/log", into),
        Right::new("create", "pods/portforward", into),
        Right::new("get", "secrets", into),
        Right::new("list", "events", into),
        Right::new("create", "leases.coordination.k8s.io", into),
        Right::new("update", "leases.coordination.k8s.io", into),
    ]);
    rights
}

/// What removing clones needs in a namespace.
pub fn removing(namespace: &str) -> Vec<Right> {
    let mut rights = Vec::new();
    for verb in ["get", "list", "delete"] {
        rights.push(Right::new(verb, "postgresqls.acid.zalan.do", namespace));
        rights.push(Right::new(verb, "leases.coordination.k8s.io", namespace));
    }
    for resource in REMOVED {
        rights.push(Right::new("list", resource, namespace));
        rights.push(Right::new("delete", resource, namespace));
    }
    rights
}

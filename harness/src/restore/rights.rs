//! What a drill needs to be allowed, so that it can say so before it begins.

use super::clean::removed;
use super::file::RestoreDrill;
use super::source::Source;
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
            Right::new("get", "pods/portforward", source),
            Right::new("create", "pods/portforward", source),
        ]);
    }
    if drill.tell.events {
        rights.push(Right::new("create", "events.events.k8s.io", source));
    }
    rights.extend(removing(into));
    rights.extend([
        Right::new("create", "postgresqls.acid.zalan.do", into),
        Right::new("create", "networkpolicies.networking.k8s.io", into),
        Right::new("get", "statefulsets.apps", into),
        Right::new("get", "pods/log", into),
        // A websocket is asked for with GET; newer API servers want both.
        Right::new("get", "pods/portforward", into),
        Right::new("create", "pods/portforward", into),
        Right::new("get", "secrets", into),
        Right::new("list", "events", into),
    ]);
    rights
}

/// By which a drill sees more, and without which it does all the same: who else archives into the source's place.
pub fn useful(drill: &RestoreDrill) -> Vec<Right> {
    vec![Right::new("list", "statefulsets.apps", &drill.source.namespace)]
}

/// What a comparison needs besides, once it is known which Secret has the source's password: a role may name just that one.
pub(super) fn of_password(source: &Source) -> Option<Right> {
    let (secret, _) = super::way_in::password_key(&source.variables)?;
    Some(Right::new("get", "secrets", &source.namespace).on(&secret))
}

/// What removing clones needs in a namespace.
pub fn removing(namespace: &str) -> Vec<Right> {
    let mut rights = Vec::new();
    for verb in ["create", "update"] {
        rights.push(Right::new(verb, "leases.coordination.k8s.io", namespace));
    }
    for verb in ["get", "list", "delete"] {
        rights.push(Right::new(verb, "postgresqls.acid.zalan.do", namespace));
        rights.push(Right::new(verb, "leases.coordination.k8s.io", namespace));
    }
    for resource in removed() {
        rights.push(Right::new("list", resource, namespace));
        rights.push(Right::new("delete", resource, namespace));
    }
    rights
}

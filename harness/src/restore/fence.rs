//! What keeps a clone from reaching anything but what its restore needs: restored subscriptions, scheduled jobs and foreign
//! servers know their way to production.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};

use super::clone::{LABEL, PlannedClone};
use super::file::RestoreDrill;

/// DNS, and TLS to the storage and to the API server, which listens on 6443 behind its service.
/// Policies see ports behind services: DNS pods may listen on 5353.
const PORTS: [(&str, u16); 6] =
    [("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353), ("TCP", 443), ("TCP", 6443)];

/// A NetworkPolicy for the clone's pods. Networks that know no policies leave it without effect.
pub(super) fn of(
    clone: &PlannedClone,
    drill: &RestoreDrill,
    cluster_label: &str,
    lease: &str,
    owner: &OwnerReference,
) -> Value {
    let mut ports: Vec<Value> =
        PORTS.iter().map(|(protocol, port)| json!({ "protocol": protocol, "port": port })).collect();
    let both = |port: &u16| ["TCP", "UDP"].map(|protocol| json!({ "protocol": protocol, "port": port }));
    ports.extend(drill.clone.egress_ports.iter().flat_map(both));
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": clone.name,
            "namespace": clone.namespace,
            "labels": { LABEL: lease, cluster_label: clone.name, "app.kubernetes.io/managed-by": "clonedrill" },
            "ownerReferences": [owner],
        },
        "spec": {
            "podSelector": { "matchLabels": { cluster_label: clone.name } },
            "policyTypes": ["Egress"],
            "egress": [{ "ports": ports }],
        },
    })
}

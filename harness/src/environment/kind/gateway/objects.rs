//! What the gateway is in the cluster: a pod, its Service and its Secret.

use serde_json::{Value, json};

use super::super::PART_LABEL;
use super::{PORT, SERVICE};

pub(super) fn secret(settings: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "stringData": { "settings.json": settings },
    })
}

pub(super) fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "spec": { "selector": { PART_LABEL: SERVICE }, "ports": [{ "port": 443, "targetPort": PORT }] },
    })
}

pub(super) fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "gateway",
                "image": image,
                "imagePullPolicy": "Never",
                "args": ["storage-gateway"],
                "readinessProbe": { "tcpSocket": { "port": PORT }, "periodSeconds": 1 },
                "volumeMounts": [{ "name": "settings", "mountPath": "/etc/clonedrill/gateway", "readOnly": true }],
            }],
            "volumes": [{ "name": "settings", "secret": { "secretName": SERVICE } }],
        },
    })
}

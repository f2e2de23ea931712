//! The node's object in the API server, so that pods can be bound to it.

use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::network::GATEWAY;
use super::{NODE_NAME, NodeError, kubelet};

/// Creates the node, ready. No lease is kept: nothing in the environment evicts pods.
pub(super) async fn register(client: &Client) -> Result<(), NodeError> {
    let api: Api<Node> = Api::all(client.clone());
    let labels = json!({
        "kubernetes.io/hostname": NODE_NAME,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": "local",
    });
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": NODE_NAME, "labels": labels },
    });
    let parameters = PatchParams::apply("clonedrill").force();
    api.patch(NODE_NAME, &parameters, &Patch::Apply(node)).await.map_err(Box::new)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let capacity = json!({ "cpu": "64", "memory": "256Gi", "pods": "10000", "ephemeral-storage": "1Ti" });
    let status = json!({ "status": {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [
            { "type": "InternalIP", "address": GATEWAY.to_string() },
            { "type": "Hostname", "address": NODE_NAME },
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet::PORT } },
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "clonedrill's node runs pods",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }],
    } });
    api.patch_status(NODE_NAME, &PatchParams::default(), &Patch::Merge(status)).await.map_err(Box::new)?;
    // The admission of the API server taints new nodes until a controller, which we do not run, removes it.
    let untaint = json!({ "spec": { "taints": null } });
    api.patch(NODE_NAME, &PatchParams::default(), &Patch::Merge(untaint)).await.map_err(Box::new)?;
    Ok(())
}

//! Binding pods to the one node that there is. There is nothing to schedule.

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Status};
use kube::api::PostParams;
use kube::{Api, Client};

use super::NODE_NAME;
use crate::environment::{RENDERED, RUN_LABEL};

/// Whether the pod is ours, or nobody's yet. What is rendered is nobody's for ever.
pub(super) fn is_ours(pod: &Pod) -> bool {
    let rendered = pod.metadata.namespace.as_deref().is_some_and(|namespace| namespace.starts_with(RENDERED));
    let wanted = pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(RUN_LABEL));
    if rendered && !wanted {
        return false;
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
    node.is_empty() || node == NODE_NAME
}

/// Binds the pod unless it is bound.
pub(super) async fn bind(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref().is_some_and(|node| !node.is_empty())) {
        return Ok(());
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            uid: pod.metadata.uid.clone(),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(NODE_NAME.to_owned()),
            ..ObjectReference::default()
        },
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    api.create_subresource::<_, Status>("binding", &name, &PostParams::default(), &binding).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(metadata: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({ "metadata": metadata })).unwrap()
    }

    #[test]
    fn of_what_is_rendered_only_pods_that_say_so_run() {
        assert!(is_ours(&pod(serde_json::json!({ "namespace": "drill-1" }))));
        assert!(!is_ours(&pod(serde_json::json!({ "namespace": "render-1" }))));
        let labels = serde_json::json!({ RUN_LABEL: "true" });
        assert!(is_ours(&pod(serde_json::json!({ "namespace": "render-1", "labels": labels }))));
    }
}

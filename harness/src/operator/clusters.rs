//! The operator's own kind, and what it and Patroni say of a cluster on its objects.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, ResourceExt};

/// A leader's role in old and new releases of Patroni.
const LEADER: [&str; 2] = ["master", "primary"];

/// The kind `postgresql`.
pub fn postgresql_kind() -> ApiResource {
    let kind = GroupVersionKind::gvk("acid.zalan.do", "v1", "postgresql");
    ApiResource::from_gvk_with_plural(&kind, "postgresqls")
}

/// The clusters of a namespace.
pub fn postgresqls(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &postgresql_kind())
}

/// `status.PostgresClusterStatus` as the operator last set it.
pub fn status(cluster: &DynamicObject) -> Option<&str> {
    let status = &cluster.data["status"];
    // An operator before v1.0 had the status as a plain text.
    status["PostgresClusterStatus"].as_str().or_else(|| status.as_str())
}

/// Whether Patroni calls a pod its cluster's leader, in this label.
pub fn leads(pod: &Pod, role_label: &str) -> bool {
    pod.labels().get(role_label).is_some_and(|role| LEADER.contains(&role.as_str()))
}

/// The image in which a pod's PostgreSQL runs, with its digest where the node says it.
pub fn image_of(pod: &Pod) -> Option<String> {
    let mut statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let container = statuses.find(|container| container.name == "postgres")?;
    [&container.image_id, &container.image].into_iter().find(|image| !image.is_empty()).cloned()
}

//! Whether a pod serves, as its node says.

use k8s_openapi::api::core::v1::Pod;

/// Whether its node calls a pod ready.
pub fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|one| one.type_ == "Ready" && one.status == "True")
}

//! Whether a node has room for a pod: the scheduler and the kubelet say so, and without it waiting is in vain.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::EnvironmentError;

/// A pod whose volume is being made, or for which another one just goes, is unschedulable for a while too.
const STANDS: Duration = Duration::from_secs(25);
/// What the kubelet ends pods with when it needs what they use.
const PUT_OUT: [&str; 3] = ["Evicted", "OutOfcpu", "OutOfmemory"];

/// # Errors
/// [`EnvironmentError::NoRoom`] for the first pod that no node takes, or that its node has put out.
pub fn has_room(pods: &[Pod]) -> Result<(), EnvironmentError> {
    let now = Timestamp::now();
    match pods.iter().find_map(|pod| Some((pod, why_not(pod, now)?))) {
        Some((pod, why)) => Err(EnvironmentError::NoRoom { pod: pod.name_any(), why }),
        None => Ok(()),
    }
}

fn why_not(pod: &Pod, now: Timestamp) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let Some(reason) = status.reason.as_deref().filter(|reason| PUT_OUT.contains(reason)) {
        return Some(format!("{reason}: {}", status.message.as_deref().unwrap_or_default()));
    }
    let mut conditions = status.conditions.iter().flatten();
    let unschedulable = conditions.find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    let since = unschedulable.last_transition_time.as_ref()?.0;
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    (waited >= STANDS).then(|| unschedulable.message.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(status: Value, now: &str) -> Option<String> {
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "name": "db-0" }, "status": status })).unwrap();
        why_not(&pod, now.parse().unwrap())
    }

    #[test]
    fn a_pod_that_no_node_takes_for_long_has_no_room() {
        let condition = |reason: &str| {
            json!({ "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": reason,
                "message": "0/1 nodes are available: 1 Insufficient memory.",
                "lastTransitionTime": "2026-11-26T10:00:00Z",
            }] })
        };
        assert_eq!(told(condition("Unschedulable"), "2026-11-26T10:00:10Z"), None);
        let why = told(condition("Unschedulable"), "2026-11-26T10:00:40Z").unwrap();
        assert!(why.contains("Insufficient memory"), "{why}");
        assert_eq!(told(condition("SchedulingGated"), "2026-11-26T10:00:40Z"), None);
    }

    #[test]
    fn a_pod_that_its_node_put_out_has_no_room() {
        let evicted =
            json!({ "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage." });
        let why = told(evicted, "2026-11-26T10:00:00Z").unwrap();
        assert!(why.starts_with("Evicted: The node was low"), "{why}");
    }
}

//! Why a pod is not where it should be, in the words of its node.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// What a container waits for in the course of things.
const NO_TROUBLE: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What the pod's status says about why it is not ready; nothing where it says nothing.
pub fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let mut said: Vec<String> = status.message.iter().cloned().collect();
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    said.extend(containers.filter_map(of_container));
    let mut conditions = status.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status != "True");
    said.extend(ready.and_then(|condition| condition.message.clone()));
    (!said.is_empty()).then(|| said.join("; "))
}

fn of_container(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    if NO_TROUBLE.contains(&reason) && waiting.message.is_none() {
        return None;
    }
    let message = waiting.message.iter().map(|message| format!(": {message}")).collect::<String>();
    let ended = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let ended = ended.map(|ended| format!(" (it ended with {})", ended.exit_code)).unwrap_or_default();
    Some(format!("container {} waits with {reason}{message}{ended}", container.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_node_knows_is_told() {
        let of =
            |status| trouble(&serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap());
        let container = |state| {
            json!({ "containerStatuses": [{
                "name": "postgres", "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": state,
                "lastState": { "terminated": { "exitCode": 7 } },
            }] })
        };
        assert_eq!(
            of(json!({ "message": "volume \"v\": secret \"k\" not found" })).unwrap(),
            "volume \"v\": secret \"k\" not found"
        );
        let waiting = json!({ "waiting": { "reason": "ErrImagePull", "message": "find image \"x\"" } });
        assert_eq!(
            of(container(waiting)).unwrap(),
            "container postgres waits with ErrImagePull: find image \"x\" (it ended with 7)"
        );
        assert_eq!(of(container(json!({ "waiting": { "reason": "ContainerCreating" } }))), None);
        let unready =
            json!([{ "type": "Ready", "status": "False", "message": "readiness probe failed: no" }]);
        assert_eq!(of(json!({ "conditions": unready })).unwrap(), "readiness probe failed: no");
        assert_eq!(of(json!({ "conditions": [{ "type": "Ready", "status": "True" }] })), None);
    }
}

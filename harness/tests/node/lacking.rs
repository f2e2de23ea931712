//! What a pod says of what is missing or fails while it starts.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::world::{RUNS, World, container, status};

pub(crate) async fn what_a_pod_lacks_is_said_until_it_is_there(world: &World) {
    let env = json!([{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "late", "key": "key" } } }]);
    let mounts = json!([{ "name": "files", "mountPath": "/files" }]);
    let it = container("it", RUNS, json!({ "env": env, "volumeMounts": mounts }));
    let volumes = json!([{ "name": "files", "secret": { "secretName": "later" } }]);
    world.pod("waits", json!({ "containers": [it], "volumes": volumes })).await;
    let message = |pod: &Pod| pod.status.as_ref()?.message.clone();
    let said = world.until("waits", "to say what volume is missing", message).await;
    assert_eq!(said, "volume \"files\": secret \"later\" not found");
    world.secret("later", json!({ "a": "b" })).await;
    let waiting = world
        .until("waits", "to say what variable is missing", |pod| {
            status(pod, "it")?.state.as_ref()?.waiting.clone().filter(|waiting| waiting.message.is_some())
        })
        .await;
    assert_eq!(waiting.reason.as_deref(), Some("CreateContainerConfigError"));
    assert_eq!(waiting.message.as_deref(), Some("secret \"late\" not found"));
    world.secret("late", json!({ "key": "value" })).await;
    let pod = world.until_ready("waits", true).await;
    assert_eq!(message(&pod), None, "what no longer stands in the way is not said any more");
}

pub(crate) async fn a_hook_that_fails_ends_its_container(world: &World) {
    let hook = |script: &str| json!({ "lifecycle": { "postStart": { "exec": { "command": ["sh", "-c", script] } } } });
    let fails = container("fails", RUNS, hook("exit 9"));
    let works = container("works", RUNS, hook("touch /tmp/hooked"));
    world.pod("hooked", json!({ "containers": [fails, works] })).await;
    let waiting = world
        .until("hooked", "to have failed", |pod| {
            let fails = status(pod, "fails")?;
            let terminated = fails.last_state.as_ref()?.terminated.as_ref()?;
            (fails.restart_count == 1).then(|| terminated.message.clone().unwrap_or_default())
        })
        .await;
    assert!(waiting.starts_with("run the postStart hook: exit code 9"), "{waiting}");
    world.until("hooked", "to run the other", |pod| status(pod, "works")?.ready.then_some(())).await;
    world.sh("hooked", "works", "test -e /tmp/hooked").await;
}

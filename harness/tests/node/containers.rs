//! Several containers in a pod, restarts, and what containers are started with.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{RUNS, World, condition, container, exit_code, status};

pub(crate) async fn init_containers_come_first_and_sidecars_go_last(world: &World) {
    let shared = json!({ "volumeMounts": [{ "name": "shared", "mountPath": "/shared" }] });
    let says = |words: &str| format!("echo {words} >> /shared/order");
    let mut sidecar = container(
        "sidecar",
        "sleep 0.3; echo sidecar >> /shared/order
         trap 'cat /shared/order; echo told to end; exit 0' TERM; while :; do sleep 0.1; done",
        shared.clone(),
    );
    sidecar["restartPolicy"] = "Always".into();
    sidecar["startupProbe"] =
        json!({ "exec": { "command": ["grep", "sidecar", "/shared/order"] }, "periodSeconds": 1 });
    let first = container("first", "sleep 0.3; echo first >> /shared/order", shared.clone());
    let second = container("second", &says("second"), shared.clone());
    let one = container("one", "sleep 0.5; echo one ended >> /shared/order", shared.clone());
    let other = container("other", &format!("sleep 1; {}", says("other ended")), shared);
    world
        .pod(
            "several",
            json!({
                "restartPolicy": "Never",
                "initContainers": [first, sidecar, second],
                "containers": [one, other],
                "volumes": [{ "name": "shared", "emptyDir": {} }],
            }),
        )
        .await;
    let pod = world.until_phase("several", "Succeeded").await;
    let order = world.until_logged("several", "sidecar", 0, "told to end").await;
    assert_eq!(order, "first\nsidecar\nsecond\none ended\nother ended\ntold to end\n");
    for name in ["first", "second", "one", "other"] {
        assert_eq!(status(&pod, name).and_then(exit_code), Some(0), "{name}: {pod:?}");
    }
    assert_eq!(condition(&pod, "Ready").unwrap().reason.as_deref(), Some("PodCompleted"));
}

pub(crate) async fn a_container_that_fails_starts_again_with_a_pause_and_both_logs_are_kept(world: &World) {
    let script = "echo attempt >> /kept/attempts; wc -l < /kept/attempts; exit 7";
    let mounts = json!({ "volumeMounts": [{ "name": "kept", "mountPath": "/kept" }] });
    world
        .pod(
            "fails",
            json!({
                "containers": [container("it", script, mounts)],
                "volumes": [{ "name": "kept", "emptyDir": {} }],
            }),
        )
        .await;
    // The first restart is at once, the second has its pause.
    let waiting = world
        .until("fails", "to be in back-off", |pod| {
            let it = status(pod, "it")?;
            let waiting = it.state.as_ref()?.waiting.as_ref()?;
            let backs_off = waiting.reason.as_deref() == Some("CrashLoopBackOff") && it.restart_count == 1;
            backs_off.then(|| (waiting.message.clone().unwrap_or_default(), it.last_state.clone()))
        })
        .await;
    assert!(waiting.0.starts_with("back-off 10s restarting failed container=it"), "{}", waiting.0);
    assert_eq!(waiting.1.unwrap().terminated.unwrap().exit_code, 7);
    let logs = [world.log("fails", "it", 0).await, world.log("fails", "it", 1).await];
    assert_eq!(logs.map(|log| log.trim().to_owned()), ["1", "2"]);
}

pub(crate) async fn a_container_that_starts_again_meets_the_pod_as_it_is_by_then(world: &World) {
    let env =
        json!([{ "name": "ROLE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['role']" } } }]);
    let script = format!("echo role $ROLE; trap 'exit 1' USR1; {RUNS}");
    world.pod("labelled", json!({ "containers": [container("it", &script, json!({ "env": env }))] })).await;
    world.until_logged("labelled", "it", 0, "role\n").await;
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "role": "replica" } } }));
    world.api::<Pod>().patch("labelled", &PatchParams::default(), &patch).await.unwrap();
    world.until("labelled", "to have run for a moment", |pod| status(pod, "it")?.ready.then_some(())).await;
    world.sh("labelled", "it", "kill -USR1 2").await;
    world.until_logged("labelled", "it", 1, "role replica\n").await;
}

pub(crate) async fn variables_come_from_all_sources_by_kubernetes_rules(world: &World) {
    world.secret("keys", json!({ "KEY": "s3cret", "SHARED": "of the secret" })).await;
    let map = json!({
        "metadata": { "name": "settings" },
        "data": { "SHARED": "of the map", "PLAIN": "plain" },
        "binaryData": { "BINARY": "YmluYXJ5" },
    });
    world.create::<ConfigMap>(map).await;
    let env = json!({
        "envFrom": [
            { "configMapRef": { "name": "settings" } },
            { "secretRef": { "name": "keys" } },
            { "prefix": "P_", "secretRef": { "name": "keys" } },
            { "configMapRef": { "name": "absent", "optional": true } },
        ],
        "env": [
            { "name": "TWICE", "value": "first" },
            { "name": "TWICE", "value": "second" },
            { "name": "ADDRESS", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
            { "name": "EXPANDED", "value": "$(PLAIN) $(KEY) $$(KEY) $(LATER) $(KUBERNETES_SERVICE_PORT)" },
            { "name": "LATER", "value": "later" },
        ],
    });
    let mut it = container("it", "", env);
    // PATH is the image's or the runtime's, and stays as it is written.
    let script = "env; echo arguments $0 $1";
    it["args"] = json!(["-ec", script, "$(PLAIN)", "$(PATH)"]);
    world.pod("variables", json!({ "restartPolicy": "Never", "containers": [it] })).await;
    let pod = world.until_phase("variables", "Succeeded").await;
    let log = world.log("variables", "it", 0).await;
    let address = pod.status.unwrap().pod_ip.unwrap();
    for line in [
        "SHARED=of the secret",
        "PLAIN=plain",
        "P_KEY=s3cret",
        "TWICE=second",
        &format!("ADDRESS={address}"),
        "EXPANDED=plain s3cret $(KEY) $(LATER) 443",
        "arguments plain $(PATH)",
    ] {
        assert!(log.lines().any(|found| found == line), "no {line} in\n{log}");
    }
    assert!(!log.contains("BINARY"), "{log}");
}

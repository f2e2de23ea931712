//! What probes do to a pod's readiness and to its containers.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{RUNS, World, condition, container, status};

fn probe(command: &str) -> Value {
    json!({ "exec": { "command": ["sh", "-c", command] }, "periodSeconds": 1, "failureThreshold": 1 })
}

pub(crate) async fn readiness_follows_its_probe_and_says_why_not(world: &World) {
    let it = container(
        "it",
        RUNS,
        json!({ "readinessProbe": probe("test -e /tmp/ready || { echo not yet >&2; exit 3; }") }),
    );
    world.pod("probed", json!({ "containers": [it] })).await;
    let said = |pod: &Pod| condition(pod, "Ready")?.message.clone();
    let why = "containers with unready status: [it]; it: readiness probe failed: exit code 3: not yet";
    world.until("probed", "to say why it is not ready", |pod| (said(pod)? == why).then_some(())).await;
    world.sh("probed", "it", "touch /tmp/ready").await;
    let pod = world.until_ready("probed", true).await;
    assert!(status(&pod, "it").unwrap().ready && said(&pod).is_none(), "{pod:?}");
    world.sh("probed", "it", "rm /tmp/ready").await;
    let pod = world.until_ready("probed", false).await;
    assert_eq!(status(&pod, "it").unwrap().restart_count, 0, "{pod:?}");
}

pub(crate) async fn liveness_restarts_a_container_within_the_probes_own_grace(world: &World) {
    let mut liveness = probe("test ! -e /tmp/dead");
    liveness["terminationGracePeriodSeconds"] = 2.into();
    // It does not listen, so it takes the whole grace: the probe's, not the pod's ten minutes.
    let script = "trap 'echo asked to end' TERM; echo begins; while :; do sleep 0.1; done";
    let it = container("it", script, json!({ "livenessProbe": liveness }));
    world.pod("alive", json!({ "terminationGracePeriodSeconds": 600, "containers": [it] })).await;
    world.until_logged("alive", "it", 0, "begins").await;
    world.sh("alive", "it", "touch /tmp/dead").await;
    // Its file system is a new one, so it is well again.
    world.until_logged("alive", "it", 1, "begins").await;
    assert_eq!(world.log("alive", "it", 0).await, "begins\nasked to end\n");
    let pod = world.until_ready("alive", true).await;
    let it = status(&pod, "it").unwrap();
    assert_eq!(it.restart_count, 1);
    assert_eq!(it.last_state.as_ref().unwrap().terminated.as_ref().unwrap().exit_code, 137);
}

pub(crate) async fn a_sidecar_and_a_gate_hold_readiness_back(world: &World) {
    let mut sidecar = container("sidecar", RUNS, json!({ "readinessProbe": probe("test -e /tmp/ready") }));
    sidecar["restartPolicy"] = "Always".into();
    world
        .pod(
            "gated",
            json!({
                "readinessGates": [{ "conditionType": "test/gate" }],
                "initContainers": [sidecar],
                "containers": [container("it", RUNS, json!({}))],
            }),
        )
        .await;
    world.until("gated", "to have one ready container", |pod| status(pod, "it")?.ready.then_some(())).await;
    let pod = world.until_ready("gated", false).await;
    assert_eq!(condition(&pod, "ContainersReady").unwrap().status, "False", "{pod:?}");
    world.sh("gated", "sidecar", "touch /tmp/ready").await;
    let pod = world
        .until("gated", "to wait for its gate", |pod| {
            (condition(pod, "ContainersReady")?.status == "True").then(|| pod.clone())
        })
        .await;
    assert_eq!(condition(&pod, "Ready").unwrap().reason.as_deref(), Some("ReadinessGatesNotReady"));
    let open = json!({ "status": { "conditions": [{ "type": "test/gate", "status": "True" }] } });
    let patch = Patch::Strategic(open);
    world.api::<Pod>().patch_status("gated", &PatchParams::default(), &patch).await.unwrap();
    let began = std::time::Instant::now();
    world.until_ready("gated", true).await;
    assert!(began.elapsed() < Duration::from_secs(30));
}

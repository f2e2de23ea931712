//! The end of containers: hooks, the signal, the grace, the object's removal.

use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{World, container};

pub(crate) async fn a_container_is_asked_and_has_its_hook_and_its_grace(world: &World) {
    let script = "trap 'cat /tmp/hook; echo asked to end; sleep 0.5; echo ended well; exit 0' TERM
                  echo runs; while :; do sleep 0.1; done";
    let hook = json!({ "preStop": { "exec": { "command": ["sh", "-c", "sleep 0.5; echo after its hook > /tmp/hook"] } } });
    let it = container("it", script, json!({ "lifecycle": hook }));
    world.pod("polite", json!({ "terminationGracePeriodSeconds": 30, "containers": [it] })).await;
    world.until_logged("polite", "it", 0, "runs").await;
    let began = Instant::now();
    world.delete("polite", &DeleteParams::default()).await;
    world.until_gone("polite").await;
    assert_eq!(world.log("polite", "it", 0).await, "runs\nafter its hook\nasked to end\nended well\n");
    assert!(began.elapsed() < Duration::from_secs(25), "it used the whole grace: {:?}", began.elapsed());
}

pub(crate) async fn a_container_that_does_not_listen_is_killed(world: &World) {
    // The hook would take for ever, and takes the whole grace; SIGTERM still has its two seconds.
    let script = "trap 'echo does not listen' TERM; echo runs; while :; do sleep 0.1; done";
    let hook = json!({ "preStop": { "exec": { "command": ["sleep", "1000"] } } });
    let it = container("it", script, json!({ "lifecycle": hook }));
    world.pod("deaf", json!({ "containers": [it] })).await;
    world.until_logged("deaf", "it", 0, "runs").await;
    let began = Instant::now();
    world.delete("deaf", &DeleteParams::default().grace_period(1)).await;
    world.until_gone("deaf").await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(world.log("deaf", "it", 0).await, "runs\ndoes not listen\n");
}

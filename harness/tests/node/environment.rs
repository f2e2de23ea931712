//! What an environment does for those who share it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use clonedrill::environment::Environment;
use clonedrill::environment::local::LocalEnvironment;
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::Tools;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use serde_json::json;

use crate::world::{RUNS, World, container};

/// The tools of a process that only holds a place, as JSON.
const HOLDS: &str = "CLONEDRILL_TEST_HOLDS";

pub(crate) async fn a_program_ends_with_who_asked_for_it(world: &World) {
    world.pod("asked", json!({ "containers": [container("it", RUNS, json!({}))] })).await;
    world.until_ready("asked", true).await;
    let limit = Duration::from_secs(1);
    let script = "sleep 1234 & touch /tmp/begun; wait";
    let late = world.environment.exec("asked", "it", &["sh", "-c", script], limit).await.unwrap_err();
    assert!(late.to_string().starts_with("wait for the end of sh in asked: gave up after 1.0s"), "{late}");
    // With what it has started itself.
    let left =
        "test -e /tmp/begun; for it in /proc/[0-9]*; do tr '\\0' ' ' < $it/cmdline; echo; done 2>/dev/null";
    let gone = poll("the program to be gone", Limit::seconds(20), async || {
        let left = world.sh("asked", "it", left).await;
        Ok::<_, std::convert::Infallible>(match left.contains("sleep 1234 ") {
            true => Seen::NotYet(left),
            false => Seen::Done(()),
        })
    });
    gone.await.unwrap();
}

/// Another process takes a place, runs a pod in it, and is killed.
pub(crate) async fn a_place_goes_with_the_process_that_held_it(world: &World) {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .env(HOLDS, serde_json::to_string(&world.tools).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut namespace = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut namespace).unwrap();
    let namespace = namespace.trim();
    let namespaces: Api<Namespace> = Api::all(world.environment.client());
    let phase = namespaces.get(namespace).await.unwrap().status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Active"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let gone = poll(format!("namespace {namespace} to be gone"), Limit::seconds(60), async || {
        Ok::<_, kube::Error>(match namespaces.get_opt(namespace).await? {
            None => Seen::Done(()),
            Some(left) => Seen::NotYet(format!("{:?}", left.status)),
        })
    });
    gone.await.unwrap();
    let here = namespaces.get(world.environment.namespace()).await.unwrap().status.unwrap().phase;
    assert_eq!(here.as_deref(), Some("Active"), "the place of this test stays");
}

/// Holds a place until it is killed, where this process was started to.
pub(crate) fn holds_a_place() -> Option<()> {
    let tools: Tools = serde_json::from_str(&std::env::var(HOLDS).ok()?).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let place = LocalEnvironment::join(&tools).await.unwrap();
        let pod = json!({ "metadata": { "name": "left" }, "spec": { "containers": [container("it", RUNS, json!({}))] } });
        let pods: Api<Pod> = Api::namespaced(place.client(), place.namespace());
        pods.create(&kube::api::PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        kube::runtime::wait::await_condition(pods, "left", kube::runtime::wait::conditions::is_pod_running())
            .await
            .unwrap();
        println!("{}", place.namespace());
        std::future::pending::<()>().await;
    });
    Some(())
}

/// The environment was started with other programs than those of one who joins it.
pub(crate) async fn a_place_brings_its_own_images(world: &World) {
    let mut tools = world.tools.clone();
    let mut ours = tools.operators[crate::OPERATOR].clone();
    ours.binary = "/bin/echo".into();
    tools.operators.insert("ours".to_owned(), ours.clone());
    tools.operators.insert(crate::OPERATOR.to_owned(), ours);
    let other = World { environment: LocalEnvironment::join(&tools).await.unwrap(), tools };
    for tag in ["ours", crate::OPERATOR] {
        let pod = format!("of-{}", tag.replace('.', "-"));
        let it =
            json!({ "name": "it", "image": format!("x/postgres-operator:{tag}"), "args": ["runs", tag] });
        other.pod(&pod, json!({ "restartPolicy": "Never", "containers": [it] })).await;
        other.until_phase(&pod, "Succeeded").await;
        assert_eq!(other.log(&pod, "it", 0).await, format!("runs {tag}\n"));
    }
}

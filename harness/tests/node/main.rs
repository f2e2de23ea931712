//! Pods in a local environment, as kubelet would run them: what the API server, their logs and their files say.
//!
//! The tests share one environment, under nextest with the drills of the run. Each has a place of its own in it.
#![allow(clippy::unwrap_used)]

mod containers;
mod environment;
#[path = "../foreign/mod.rs"]
mod foreign;
mod images;
mod kubelet;
mod lacking;
mod probes;
mod stopping;
mod volumes;
mod world;

use std::process::{Command, Stdio};

use clonedrill::environment::local::enter;
use clonedrill::environment::shared::{self, Share};
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::{self, Configuration, Silent, Tools};
use libtest_mimic::{Arguments, Trial};
use world::World;

/// The operator version whose drills share the environment.
const OPERATOR: &str = "v1.15.1";

macro_rules! trials {
    ($tools:expr, $($test:path),* $(,)?) => {
        vec![$({
            let tools = $tools.clone();
            let name = stringify!($test).replace(' ', "");
            Trial::test(name, move || World::run(tools.as_ref(), async |world| $test(world).await))
        }),*]
    };
}

fn main() {
    let arguments = Arguments::from_args();
    if let Some(told) = environment::holds_a_place() {
        return told;
    }
    // To be listed, nothing needs to run.
    let tools = (!arguments.list).then(in_environment);
    let trials = trials![
        tools,
        containers::init_containers_come_first_and_sidecars_go_last,
        containers::a_container_that_fails_starts_again_with_a_pause_and_both_logs_are_kept,
        containers::a_container_that_starts_again_meets_the_pod_as_it_is_by_then,
        containers::variables_come_from_all_sources_by_kubernetes_rules,
        environment::a_program_ends_with_who_asked_for_it,
        environment::a_place_goes_with_the_process_that_held_it,
        environment::a_place_brings_its_own_images,
        images::a_foreign_image_sees_nothing_of_the_host,
        images::a_pod_of_a_foreign_image_is_as_the_image_says_unless_the_manifest_does,
        kubelet::it_answers_nobody_but_the_api_server,
        kubelet::what_listens_on_localhost_only_is_forwarded,
        lacking::what_a_pod_lacks_is_said_until_it_is_there,
        lacking::a_hook_that_fails_ends_its_container,
        probes::readiness_follows_its_probe_and_says_why_not,
        probes::liveness_restarts_a_container_within_the_probes_own_grace,
        probes::a_sidecar_and_a_gate_hold_readiness_back,
        stopping::a_container_is_asked_and_has_its_hook_and_its_grace,
        stopping::a_container_that_does_not_listen_is_killed,
        volumes::a_claim_outlives_its_pod_and_goes_with_its_data,
        volumes::each_kind_of_volume_holds_what_it_should,
        volumes::a_secret_for_the_group_is_read_by_the_group_only,
        volumes::a_token_is_the_pods_own,
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

/// Starts the environment where it does not run, and goes on inside of it.
fn in_environment() -> Tools {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let configuration = Configuration::load(&root).unwrap();
    let tools = toolchain::ensure(&configuration, &[OPERATOR.to_owned()], &Silent).unwrap();
    let share = match std::env::var("NEXTEST_RUN_ID") {
        // nextest starts each test as its own child and is there until the last has ended.
        Ok(id) => Share { id, owner: Some(std::os::unix::process::parent_id()) },
        Err(_) => {
            let own = std::process::id();
            Share { id: format!("node-{own}"), owner: Some(own) }
        }
    };
    let name = shared::name(&share, OPERATOR);
    images::listen_on_the_host();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        serve(&tools, &name, share.owner.unwrap()).await;
        let log = shared::UnnamedLog::new().unwrap();
        shared::obtain(&tools, &name, share.owner, log.path(), &|_| {}).await.unwrap();
    });
    drop(runtime);
    alone();
    enter(&name).unwrap();
    tools
}

/// Waits until this process has one thread: one that was joined may still be among its threads for a moment, and then
/// the kernel lets nobody into a user namespace.
fn alone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = runtime.block_on(poll("the other threads to be gone", Limit::seconds(10), async || {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let threads = status.lines().find(|line| line.starts_with("Threads:")).unwrap_or_default();
        let alone = threads.split_whitespace().nth(1) == Some("1");
        Ok::<_, std::io::Error>(if alone { Seen::Done(()) } else { Seen::NotYet(threads.to_owned()) })
    }));
    waited.unwrap();
}

/// Starts the program that `obtain` would take this one for. Where the environment runs, it leaves.
#[expect(clippy::zombie_processes, reason = "it ends with its owner, after this process")]
async fn serve(tools: &Tools, name: &str, owner: u32) {
    let mut served = Command::new(env!("CARGO_BIN_EXE_clonedrill"))
        .args(["environment", "--name", name, "--owner", &owner.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One that leaves does not read.
    let _ = serde_json::to_writer(served.stdin.take().unwrap(), tools);
    let listens = poll(format!("{name} to listen"), Limit::seconds(30), async || {
        Ok::<_, std::convert::Infallible>(match shared::outermost(name) {
            Ok(_) => Seen::Done(()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    });
    listens.await.unwrap();
}

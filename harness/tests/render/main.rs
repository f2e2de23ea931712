//! Holds what is rendered against the StatefulSets themselves, for random input, with three operator versions.
//!
//! Each version is one test: an environment, and in it a process that renders batch after batch and reads the API server
//! by itself. This binary is that process too, and those of the environment.
#![allow(clippy::unwrap_used)]

mod generate;
mod hold;

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use clonedrill::environment::local::{LocalEnvironment, enter};
use clonedrill::environment::shared::{self, Share};
use clonedrill::toolchain::{Configuration, Silent, Tools, ensure};
use futures::StreamExt;
use libtest_mimic::{Arguments, Failed, Trial};

const VERSIONS: [&str; 3] = ["v1.10.1", "v1.14.0", "v1.15.1"];
/// The subcommands of `clonedrill` that it starts itself as.
const OF_CLONEDRILL: [&str; 3] = ["environment", "container", "drill-worker"];
/// This binary inside an environment.
const INSIDE: &str = "inside";
/// Combinations of a batch: one operator's settings with so many clusters.
const CLUSTERS: usize = 8;
/// Batches at the same time. The oldest operator waits most of the time, for its own limit of requests.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(one) if OF_CLONEDRILL.contains(&one) => return clonedrill::cli::main(),
        Some(INSIDE) => return inside(&arguments[2], &arguments[3]),
        _ => {}
    }
    let trials = VERSIONS.map(|version| {
        Trial::test(format!("rendered_is_what_the_operator_wrote::{version}"), move || property(version))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// 312 combinations together. The oldest operator takes twice the time for each, since its requests are limited.
fn batches_for(version: &str) -> u64 {
    if version == VERSIONS[0] { 7 } else { 16 }
}

fn property(version: &str) -> Result<(), Failed> {
    let configuration = Configuration::load(&std::env::current_dir()?)?;
    let tools = ensure(&configuration, &[version.to_owned()], &Silent)?;
    let own = std::process::id();
    let share = Share { id: format!("property-{own}"), owner: Some(own) };
    let name = shared::name(&share, version);
    let log = shared::UnnamedLog::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let environment = runtime.block_on(shared::obtain(&tools, &name, share.owner, log.path(), &|_| {}))?;
    let mut inside = Command::new(std::env::current_exe()?)
        .args([INSIDE, &name, version])
        .stdin(Stdio::piped())
        .spawn()?;
    inside.stdin.take().unwrap().write_all(&serde_json::to_vec(&tools)?)?;
    let status = inside.wait()?;
    drop(environment);
    runtime.block_on(shared::end(&name))?;
    if status.success() { Ok(()) } else { Err(format!("what is rendered does not hold: {status}").into()) }
}

fn inside(environment: &str, version: &str) -> ExitCode {
    let tools: Tools = serde_json::from_reader(std::io::stdin()).unwrap();
    enter(environment).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let failures = runtime.block_on(async {
        let environment = LocalEnvironment::join(&tools).await.unwrap();
        let batches = futures::stream::iter(0..batches_for(version))
            .map(|seed| hold::batch(&environment, &tools, version, seed, CLUSTERS))
            .buffer_unordered(AT_ONCE);
        let results: Vec<hold::Held> = batches.collect().await;
        let rendered: usize = results.iter().map(|held| held.rendered).sum();
        let mut failures: Vec<String> = results.into_iter().flat_map(|held| held.failures).collect();
        let all = usize::try_from(batches_for(version)).unwrap() * CLUSTERS;
        println!("{version}: {rendered} of {all} combinations rendered, {} do not hold", failures.len());
        if rendered * 10 < all * 9 {
            failures
                .push(format!("only {rendered} of {all} were rendered: the input is not what it should be"));
        }
        failures
    });
    for failure in failures.iter().take(20) {
        println!("{failure}");
    }
    runtime.shutdown_background();
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

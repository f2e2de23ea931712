//! Holds what is rendered against the StatefulSets themselves, for random input, with three operator versions.
//!
//! Each version is one test: an environment, and in it a process that renders batch after batch and reads the API server
//! by itself.

mod generate;
mod hold;

use std::process::ExitCode;

use clonedrill::environment::local::{LocalEnvironment, enter};
use clonedrill::toolchain::Tools;
use futures::StreamExt;
use libtest_mimic::Failed;

pub(crate) const VERSIONS: [&str; 3] = ["v1.10.1", "v1.14.0", "v1.15.1"];
/// This binary inside an environment.
pub(crate) const INSIDE: &str = "inside-render";
/// Combinations of a batch: one operator's settings with so many clusters.
const CLUSTERS: usize = 8;
/// Batches at the same time. The oldest operator waits most of the time, for its own limit of requests.
const AT_ONCE: usize = 4;

/// 312 combinations together. The oldest operator takes twice the time for each, since its requests are limited.
fn batches_for(version: &str) -> u64 {
    if version == VERSIONS[0] { 7 } else { 16 }
}

pub(crate) fn property(version: &str) -> Result<(), Failed> {
    super::in_environment("property", INSIDE, version)
}

pub(crate) fn inside(environment: &str, version: &str) -> ExitCode {
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

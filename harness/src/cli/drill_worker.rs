//! `clonedrill drill-worker`: the process that runs one drill inside an environment (started by `run`).

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::drill::{self, Job, Teller};
use crate::environment::{Environment, Guest};
use crate::exit::Verdict;
use crate::report::{DrillReport, Event, Finding};

/// Run one drill. The job is read from stdin, events are written to stdout.
#[derive(Debug, Args)]
pub(super) struct DrillWorkerArgs {}

pub(super) fn main(_args: DrillWorkerArgs) -> Result<Verdict, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Failure::broken_while("read stdin"))?;
    let job: Job =
        serde_json::from_str(&text).map_err(Failure::invalid_while("understand what came on stdin"))?;
    super::log(lazily(job.evidence.join("harness.log")));
    let teller = Teller::default();
    let enter = job.which.description().enter;
    let entered = enter(&job.environment).into_diagnostic().map_err(Failure::broken);
    let report = match entered.and_then(|()| in_environment(&job)) {
        Ok(report) => report,
        Err(failure) => broken(&job, &failure),
    };
    let verdict = report.verdict;
    teller.tell(&Event::Finished { report: Box::new(report) });
    Ok(verdict)
}

/// Appends to a file that is there only where something is written, for the evidence of most drills has no use for it.
fn lazily(file: PathBuf) -> impl Fn() -> Box<dyn Write> {
    move || match OpenOptions::new().create(true).append(true).open(&file) {
        Ok(open) => Box::new(open),
        Err(_) => Box::new(std::io::stderr()),
    }
}

fn in_environment(job: &Job) -> Result<DrillReport, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::broken_while("start"))?;
    let interrupted = DrillReport { verdict: Verdict::Interrupted, ..job.report() };
    let report = runtime.block_on(async {
        let mut terminate =
            signal(SignalKind::terminate()).map_err(Failure::broken_while("listen for signals"))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(Failure::broken_while("listen for signals"))?;
        let drill = async {
            let ran = job.which.host(&job.environment, &job.tools, Drill { job }).await;
            ran.into_diagnostic().map_err(Failure::broken)
        };
        tokio::select! {
            report = drill => report,
            _ = terminate.recv() => Ok(interrupted),
            _ = interrupt.recv() => Ok(interrupted),
        }
    });
    runtime.shutdown_background();
    report
}

struct Drill<'a> {
    job: &'a Job,
}

impl Guest for Drill<'_> {
    type Output = DrillReport;

    async fn stay<E: Environment>(self, environment: &E) -> DrillReport {
        drill::run(environment, self.job).await
    }
}

fn broken(job: &Job, failure: &Failure) -> DrillReport {
    let finding = Finding::new("environment", "to join it", format!("failed to {}", failure.report));
    let report = job.report();
    DrillReport { verdict: failure.verdict, findings: vec![finding], ..report }
}

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
use crate::observe::catalogue;
use crate::report::{DrillReport, Event, Finding};
use crate::scenario::{Checks, LoadedScenario, load};

/// Run one drill. The job is read from stdin, events are written to stdout.
#[derive(Debug, Args)]
pub struct DrillWorkerArgs {}

pub fn main(_args: DrillWorkerArgs) -> Result<Verdict, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).into_diagnostic().map_err(Failure::broken)?;
    let job: Job = serde_json::from_str(&text).into_diagnostic().map_err(Failure::invalid)?;
    // `run` has checked the versions; here the file only becomes a value again.
    let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
    let loaded = load(&job.scenario, &checks).map_err(Failure::invalid)?;
    super::log(lazily(job.evidence.join("harness.log")));
    let teller = Teller::default();
    let enter = job.which.description().enter;
    let entered = enter(&job.environment).into_diagnostic().map_err(Failure::broken);
    let report = match entered.and_then(|()| in_environment(&job, &loaded)) {
        Ok(report) => report,
        Err(failure) => broken(&job, &loaded, &failure),
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

fn in_environment(job: &Job, loaded: &LoadedScenario) -> Result<DrillReport, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
    let interrupted = DrillReport { verdict: Verdict::Interrupted, ..job.report(loaded) };
    let report = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).into_diagnostic().map_err(Failure::broken)?;
        let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic().map_err(Failure::broken)?;
        let drill = async {
            let drill = Drill { job, loaded };
            let ran = job.which.host(&job.environment, &job.tools, drill).await;
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
    loaded: &'a LoadedScenario,
}

impl Guest for Drill<'_> {
    type Output = DrillReport;

    async fn stay<E: Environment>(self, environment: &E) -> DrillReport {
        drill::run(environment, self.job, self.loaded).await
    }
}

fn broken(job: &Job, loaded: &LoadedScenario, failure: &Failure) -> DrillReport {
    let finding = Finding {
        subject: "environment".to_owned(),
        expected: "to join it".to_owned(),
        seen: format!("failed to {}", failure.report),
        evidence: Vec::new(),
        help: String::new(),
    };
    let report = job.report(loaded);
    DrillReport { verdict: failure.verdict, findings: vec![finding], ..report }
}

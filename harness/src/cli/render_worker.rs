//! `clonedrill render-worker`: renders inside an environment. Hidden; `render`, `check` and `upgrade` start it.

use std::io::{Read, Write};

use clap::Args;
use miette::IntoDiagnostic;

use super::Failure;
use crate::environment::local::{LocalEnvironment, enter};
use crate::exit::Verdict;
use crate::render::{RenderError, RenderEvent, RenderJob, Task, render_in, upgrade_in, write_in};

/// Render inside an environment. The job is read from stdin, events are written to stdout.
#[derive(Debug, Args)]
pub(super) struct RenderWorkerArgs {}

pub(super) fn main(_: &RenderWorkerArgs) -> Result<Verdict, Failure> {
    let mut job = String::new();
    std::io::stdin().read_to_string(&mut job).into_diagnostic().map_err(Failure::broken)?;
    let job: RenderJob = serde_json::from_str(&job).into_diagnostic().map_err(Failure::invalid)?;
    enter(&job.environment).map_err(|error| Failure::broken(super::failed(error)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
    let done = runtime.block_on(work(&job));
    tell(&done.unwrap_or_else(|error| RenderEvent::Failed { why: error.to_string() }));
    runtime.shutdown_background();
    Ok(Verdict::Passed)
}

async fn work(job: &RenderJob) -> Result<RenderEvent, RenderError> {
    let environment = LocalEnvironment::join(&job.tools).await?;
    let told = |text: &str| tell(&RenderEvent::Progress { text: text.to_owned() });
    Ok(match &job.task {
        Task::Render { operator } => {
            let rendered = render_in(&environment, &job.tools, operator, &job.input, &told).await?;
            RenderEvent::Rendered { rendering: Box::new(rendered.rendering) }
        }
        Task::Upgrade { from, to } => {
            let upgrade = upgrade_in(&environment, &job.tools, from, to, &job.input, &told).await?;
            RenderEvent::Upgraded { upgrade: Box::new(upgrade) }
        }
        Task::Write { operator } => RenderEvent::Written {
            stateful_sets: write_in(&environment, &job.tools, operator, &job.input).await?,
        },
    })
}

/// A reader that has gone is no error here: this process dies with its parent.
fn tell(event: &RenderEvent) {
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

//! `clonedrill conform`: runs the scenarios on an image of Spilo, and says for each whether it held.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::output::say;
use super::place::which;
use super::{Failure, stop};
use crate::environment::Which;
use crate::exit::Verdict;
use crate::report::{Conformance, DrillReport, Format, RunError};
use crate::spilo::Release;
use crate::spilo::release::IMAGES;
use crate::tie::tie_by;
use crate::toolchain::SPILO_IMAGE;

/// Run the scenarios on an image of Spilo, and say for each whether it held.
///
/// They run in a cluster that kind makes in Docker, or without Docker in the environment local, with this image in place of
/// the one that the operator's release names.
/// Nothing of a scenario is changed for it. What differs is told by kinds: outcome, data, env, log, storage, time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill conform --image ghcr.io/zalando/spilo-17:4.0-p3
  clonedrill conform --image mirror.example/spilo:4.0-p4 scenarios/clone --format json > conformance.json
  clonedrill conform --image spilo:ours --load-image spilo.tar --operator v1.14.0
  clonedrill conform --image ./spilo.tar --environment local

Exit code: 0 all held, 1 something differs, 2 a file or argument is at fault, 3 the environment is,
130 interrupted.")]
pub(super) struct ConformArgs {
    /// The image: a reference, in local also a path to a layout, an archive or a folder
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Where the scenarios run
    #[arg(long, default_value = Which::Kind.description().name, value_parser = which())]
    environment: Which,
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE OR FOLDER", default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// The operator's version; without it the one whose release has this image, or the newest
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
    /// What is printed on stdout at the end; JSON can be kept as a record
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many drills run at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// An archive of images (`docker save`) to load first; may be given more than once
    #[arg(long, value_name = "FILE")]
    load_image: Vec<PathBuf>,
    /// The image of kind's node
    #[arg(long, value_name = "IMAGE", env = "CLONEDRILL_NODE_IMAGE")]
    node_image: Option<String>,
}

/// What `clonedrill run --format json` prints.
#[derive(Debug, Deserialize)]
struct Ran {
    verdict: Verdict,
    drills: Vec<DrillReport>,
    errors: Vec<RunError>,
}

pub(super) fn main(args: &ConformArgs) -> Result<Verdict, Failure> {
    let failed = |why: std::io::Error| Failure::broken(miette::miette!("failed to run the scenarios: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let operator = args.operator.clone().unwrap_or_else(|| operator_of(&args.image).to_owned());
    let output = runtime.block_on(async {
        let stop = CancellationToken::new();
        let _listening = stop::listen(&stop)?;
        run(args, &operator, &stop).await.map_err(failed)
    })?;
    let ran: Ran = serde_json::from_str(&output).map_err(|error| {
        Failure::broken(miette::miette!("failed to understand what the run of the scenarios said: {error}"))
    })?;
    let conformance = Conformance::of(&args.image, &operator, ran.verdict, &ran.drills);
    match args.format {
        // Why nothing was run, the run itself has said.
        Format::Text if ran.drills.is_empty() => {}
        Format::Text => say(conformance.render(&std::io::stdout()).trim_end()),
        Format::Json => say(record(&conformance, &ran.errors)),
    }
    Ok(ran.verdict)
}

/// Whose release names this image; the newest known one for an image of no known release.
fn operator_of(image: &str) -> &'static str {
    let known = Release::of_image(image).and_then(Release::programs);
    known.unwrap_or(&IMAGES[IMAGES.len() - 1]).operator
}

fn record(conformance: &Conformance, errors: &[RunError]) -> String {
    let mut record = serde_json::json!(conformance);
    if !errors.is_empty() {
        record["errors"] = serde_json::json!(errors);
    }
    format!("{record:#}")
}

/// The run is a process of its own, as a person would start it, that ends with this one.
async fn run(args: &ConformArgs, operator: &str, stop: &CancellationToken) -> std::io::Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").args(&args.paths).args([
        "--environment",
        args.environment.description().name,
        "--format",
        "json",
    ]);
    command.args(["--operator", operator, "--jobs", &args.jobs.to_string()]);
    for archive in &args.load_image {
        command.arg("--load-image").arg(archive);
    }
    if let Some(image) = &args.node_image {
        command.args(["--image", image]);
    }
    command.env(SPILO_IMAGE, &args.image).stdin(Stdio::null()).stdout(Stdio::piped());
    // Ctrl-C is for this process, which hands it on once.
    command.process_group(0);
    tie_by(&mut command, Signal::SIGTERM);
    let mut child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let mut stdout = child.stdout.take();
    let read = async {
        let mut text = String::new();
        if let Some(stdout) = &mut stdout {
            stdout.read_to_string(&mut text).await?;
        }
        child.wait().await?;
        Ok(text)
    };
    let stopped = async {
        stop.cancelled().await;
        if let Some(pid) = pid {
            // One that has just ended needs no signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        text = read => text,
        never = stopped => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_run_with_the_operator_whose_release_has_it() {
        assert_eq!(operator_of("ghcr.io/zalando/spilo-17:4.0-p2"), "v1.14.0");
        assert_eq!(operator_of("mirror:5000/spilo-15:3.0-p1"), "v1.10.1");
        assert_eq!(operator_of("mirror:5000/spilo:4.1-p1"), "v1.15.1");
        assert_eq!(operator_of("mirror:5000/spilo"), "v1.15.1");
    }
}

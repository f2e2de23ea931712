//! `clonedrill down`: end what `clonedrill up` started.

use clap::Args;
use miette::IntoDiagnostic;

use super::output::say;
use super::{Failure, up};
use crate::environment::shared;
use crate::exit::Verdict;

/// End an environment that `clonedrill up` or `clonedrill run --keep` left running
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clonedrill down\n  clonedrill down 20261124-101500-4711/v1.15.1")]
pub struct DownArgs {
    /// Which one, as `run --keep` called it
    #[arg(default_value = up::NAME)]
    name: String,
}

pub fn main(args: DownArgs) -> Result<Verdict, Failure> {
    if shared::outermost(&args.name).is_err() {
        say(format!("no environment {} runs", args.name));
        return Ok(Verdict::Passed);
    }
    let runtime = tokio::runtime::Runtime::new().into_diagnostic().map_err(Failure::broken)?;
    runtime
        .block_on(shared::end(&args.name))
        .map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
    say(format!("the environment {} has ended", args.name));
    Ok(Verdict::Passed)
}

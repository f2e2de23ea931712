//! `clonedrill down`: end what `clonedrill up` started.

use clap::Args;

use super::output::say;
use super::{Failure, up};
use crate::environment::shared;
use crate::exit::Verdict;

/// End an environment that `clonedrill up` or `clonedrill run --keep` left running
///
/// Without a name it ends the one that `clonedrill up` starts without `--name`, and lists what else runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clonedrill down\n  clonedrill down 20261124-101500-4711/v1.15.1")]
pub(super) struct DownArgs {
    /// Which one, as `up --name` or `run --keep` called it
    name: Option<String>,
}

pub(super) fn main(args: DownArgs) -> Result<Verdict, Failure> {
    let name = args.name.as_deref().unwrap_or(up::NAME);
    if shared::outermost(name).is_err() {
        say(not_running(name));
        return Ok(Verdict::Passed);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
    runtime
        .block_on(shared::end(name))
        .map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
    say(format!("the environment {name} has ended"));
    if args.name.is_none() {
        let others = others();
        if !others.is_empty() {
            say(format!("still running:\n{others}"));
        }
    }
    Ok(Verdict::Passed)
}

/// That no environment has this name, and which ones there are.
pub(super) fn not_running(name: &str) -> String {
    let others = others();
    match others.is_empty() {
        true => format!("no environment named `{name}` is running, and no other one is"),
        false => format!("no environment named `{name}` is running; these are:\n{others}"),
    }
}

/// What runs, each with the command that ends it.
fn others() -> String {
    let lines = shared::running().into_iter().map(|name| {
        let given = if name == up::NAME { String::new() } else { format!(" {name}") };
        format!("  {name}    end it with: clonedrill down{given}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

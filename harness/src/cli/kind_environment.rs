//! `clonedrill kind-environment`: the process behind a kind environment. Hidden; `run` starts it.

use std::io::Read;

use clap::Args;

use super::{Failure, environment};
use crate::environment::kind::{self, Order};
use crate::exit::Verdict;

/// Serve a kind environment. What it is made of is read from stdin.
#[derive(Debug, Args)]
pub(super) struct KindEnvironmentArgs {
    /// What others find it by
    #[arg(long)]
    name: String,
    /// The process that it ends with, unless it is told to be kept
    #[arg(long)]
    owner: Option<i32>,
}

pub(super) fn main(args: KindEnvironmentArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    // Ctrl-C in the terminal of one drill is nothing to those who share the environment.
    let _ = nix::unistd::setsid();
    let mut order = String::new();
    std::io::stdin().read_to_string(&mut order).map_err(Failure::broken_while("read stdin"))?;
    let order: Order =
        serde_json::from_str(&order).map_err(Failure::invalid_while("understand what came on stdin"))?;

    let Some(listener) = environment::bind(&args.name)? else { return Ok(Verdict::Passed) };
    let Ok(owner) = environment::owner(args.owner) else { return Ok(Verdict::Passed) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::broken_while("start"))?;
    let served = runtime.block_on(kind::serve(order, listener, owner));
    runtime.shutdown_background();
    served.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
    Ok(Verdict::Passed)
}

//! `clonedrill kubeconfig`: the way into an environment for clients outside of it.

use clap::Args;
use miette::miette;

use super::output::say;
use super::{Failure, down, up};
use crate::environment::shared;
use crate::exit::Verdict;

/// Print the kubeconfig of an environment that `clonedrill up` keeps, for kubectl and other clients
///
/// It holds a key with full rights. It is valid as long as the environment runs, and clonedrill writes it nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  (umask 077; clonedrill kubeconfig > kubeconfig); export KUBECONFIG=$PWD/kubeconfig")]
pub(super) struct KubeconfigArgs {
    /// Which one, as `up --name` called it
    #[arg(long, default_value = up::NAME)]
    name: String,
}

pub(super) fn main(args: &KubeconfigArgs) -> Result<Verdict, Failure> {
    if shared::outermost(&args.name).is_err() {
        return Err(Failure::invalid(miette!(
            help = "`clonedrill up` starts one; `--name` says which one is meant",
            "failed to give a kubeconfig: {}",
            down::not_running(&args.name)
        )));
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
    let kubeconfig = runtime.block_on(shared::kubeconfig(&args.name));
    let kubeconfig = kubeconfig.map_err(|error| Failure::broken(miette!("failed to {error}")))?;
    say(kubeconfig.reveal());
    Ok(Verdict::Passed)
}

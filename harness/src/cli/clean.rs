//! `clonedrill clean`: remove what killed drills left behind.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::Failure;
use super::cluster::{ClusterArgs, cluster_failure, restore_failure};
use super::output::say;
use crate::environment::cluster::{ClusterAccess, ClusterError, missing};
use crate::exit::Verdict;
use crate::restore;

/// Remove what killed drills left behind in a namespace
///
/// It removes only what has a drill's label, and what the operator made of it. Running drills are left alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill clean --namespace drills
  clonedrill clean --namespace drills --all      also what belongs to running drills")]
pub(super) struct CleanArgs {
    /// The namespace that the drills make their clones in
    #[arg(long, short)]
    namespace: String,
    /// Also what belongs to running drills
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) fn main(args: &CleanArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
    let cleaned = runtime.block_on(async {
        let access =
            ClusterAccess::connect(&args.cluster.wanted()).await.map_err(|error| cluster_failure(&error))?;
        let lacking = missing(&access, &restore::removing(&args.namespace)).await;
        let lacking = lacking.map_err(|error| cluster_failure(&error))?;
        if !lacking.is_empty() {
            let error = ClusterError::Forbidden { doing: "clean up".to_owned(), missing: lacking };
            return Err(cluster_failure(&error));
        }
        access.usable(&args.namespace).await.map_err(|error| cluster_failure(&error))?;
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        let told = |text: String| bar.set_message(text);
        let cleaned = restore::clean(&access, &args.namespace, args.all, &told).await;
        bar.finish_and_clear();
        cleaned.map_err(|error| restore_failure("clean", &error))
    });
    runtime.shutdown_background();
    match cleaned?.as_slice() {
        [] => say(format!("nothing was left in {}", args.namespace)),
        names => names.iter().for_each(|name| say(format!("removed {name}"))),
    }
    Ok(Verdict::Passed)
}

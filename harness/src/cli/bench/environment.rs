//! `clonedrill bench environment`: from exec to the operator ready, cold and on a warm environment.

use std::fs;
use std::time::Duration;

use clap::Args;
use miette::{IntoDiagnostic, Result};

use super::rounds::{self, last};
use crate::cli::output::say;
use crate::exit::Verdict;

const COLD_AT_MOST: Duration = Duration::from_secs(8);
const WARM_AT_MOST: Duration = Duration::from_secs(3);

/// A world with an operator and nothing else: what every drill pays before its first step.
const SCENARIO: &str = "\
name: bench-ready
about: An operator that has nothing to do.
operator: { versions: [VERSION] }
storage: { accounts: [unused] }
clusters: {}
steps: []
expect: {}
";

/// Measure how long the environment and the operator take to be ready.
#[derive(Debug, Args)]
pub(super) struct EnvironmentBenchArgs {
    #[arg(long, default_value = "v1.15.1")]
    operator: String,
    /// How often each is measured, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Prints both medians; failed when one is more than it may be.
pub(super) fn main(args: &EnvironmentBenchArgs) -> Result<Verdict> {
    let folder = tempfile::tempdir().into_diagnostic()?;
    let group = folder.path().join("bench");
    fs::create_dir(&group).into_diagnostic()?;
    let scenario = group.join("ready.yaml");
    fs::write(&scenario, SCENARIO.replace("VERSION", &args.operator)).into_diagnostic()?;

    let own = std::process::id();
    let share = format!("bench-{own}:{own}");
    // The first one starts the environment that the warm ones share.
    rounds::drill(&scenario, &args.operator, Some(&share))?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        cold.push(rounds::drill(&scenario, &args.operator, None)?.1);
        warm.push(rounds::drill(&scenario, &args.operator, Some(&share))?.1);
        say(format!("round {round}: cold {:.2?}, warm {:.2?}", last(&cold), last(&warm)));
    }
    let (cold, warm) = (rounds::median(cold), rounds::median(warm));
    say(format!(
        "\nmedian from exec to exit: cold {cold:.2?}, at most {COLD_AT_MOST:?}; warm {warm:.2?}, at most \
         {WARM_AT_MOST:?}"
    ));
    Ok(if cold > COLD_AT_MOST || warm > WARM_AT_MOST { Verdict::Failed } else { Verdict::Passed })
}

//! `clonedrill bench drill`: a drill of into-another-account against the same work by hand.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use miette::{IntoDiagnostic, Result, miette};
use tokio::runtime::Runtime;

use super::rounds;
use crate::cli::output::say;
use crate::cli::{Failure, programs};
use crate::environment::shared::{self, Share};
use crate::exit::Verdict;
use crate::report::DrillReport;
use crate::toolchain::{self, Tools};

/// The drill may take this many times as long as the work by hand.
const AT_MOST: f64 = 6.0;

/// Measure a drill against a hand-written shell script doing the same work.
#[derive(Debug, Args)]
pub(super) struct DrillBenchArgs {
    #[arg(default_value = "scenarios/clone/into-another-account.yaml")]
    scenario: PathBuf,
    /// The folder with the scenario's orders.sql, after-backup.sql and mistake.sql
    #[arg(long, default_value = "scenarios/clone/data")]
    data: PathBuf,
    #[arg(long, default_value = "v1.15.1")]
    operator: String,
    /// How often each is run, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Prints the figures; failed when the drill takes more than it may.
pub(super) fn main(args: &DrillBenchArgs) -> Result<Verdict, Failure> {
    let configuration = programs::configuration()?;
    programs::can_sandbox()?;
    let runtime = tokio::runtime::Runtime::new().into_diagnostic().map_err(Failure::broken)?;
    let operators = [args.operator.clone()];
    let tools = programs::alone(move |progress| toolchain::ensure(&configuration, &operators, progress))?;
    measure(args, &tools, &runtime).map_err(Failure::broken)
}

fn measure(args: &DrillBenchArgs, tools: &Tools, runtime: &Runtime) -> Result<Verdict> {
    let share = Share { id: format!("bench-{}", std::process::id()), owner: Some(std::process::id()) };
    let environment = shared::name(&share, &args.operator);
    let log = shared::UnnamedLog::new().into_diagnostic()?;
    runtime
        .block_on(shared::obtain(tools, &environment, share.owner, log.path(), &|_| {}))
        .into_diagnostic()?;

    let (mut by_hand, mut drills, mut last) = (Vec::new(), Vec::new(), None);
    let variable = format!("{}:{}", share.id, std::process::id());
    for round in 1..=args.rounds {
        by_hand.push(baseline(args, tools, &environment)?);
        let (report, _) = rounds::drill(&args.scenario, &args.operator, Some(&variable))?;
        let took = from_first_step(&report);
        say(format!("round {round}: by hand {:.1?}, drill {took:.1?}", rounds::last(&by_hand)));
        drills.push(took);
        last = Some(report);
    }
    let (by_hand, drill) = (rounds::median(by_hand), rounds::median(drills));
    let ratio = drill.as_secs_f64() / by_hand.as_secs_f64();
    if let Some(report) = last {
        say("\nwhere the last drill's time went:");
        for phase in &report.phases {
            say(format!("  {:>6} ms  {}", phase.milliseconds, phase.title));
        }
    }
    say(format!("\nmedian by hand {by_hand:.1?}, drill {drill:.1?}: {ratio:.1} times, at most {AT_MOST}"));
    Ok(if ratio > AT_MOST { Verdict::Failed } else { Verdict::Passed })
}

/// From applying the source to the verdict: all phases but those before the first step.
fn from_first_step(report: &DrillReport) -> Duration {
    let steps = report.phases.iter().skip_while(|phase| !phase.title.starts_with("create "));
    Duration::from_millis(steps.map(|phase| phase.milliseconds).sum())
}

fn baseline(args: &DrillBenchArgs, tools: &Tools, environment: &str) -> Result<Duration> {
    let own = std::env::current_exe().into_diagnostic()?;
    let mut command = Command::new(own);
    command.args(["bench", "baseline", "--environment", environment, "--data"]).arg(&args.data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().into_diagnostic()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(tools).into_diagnostic()?).into_diagnostic()?;
    }
    let output = child.wait_with_output().into_diagnostic()?;
    let milliseconds = String::from_utf8_lossy(&output.stdout).trim().parse();
    milliseconds.map(Duration::from_millis).map_err(|_| miette!("the baseline failed ({})", output.status))
}

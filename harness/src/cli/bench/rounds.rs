//! Running the own program as its users do, and reading what it says.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::report::DrillReport;

#[derive(Deserialize)]
struct Run {
    drills: Vec<DrillReport>,
}

/// Runs one drill; its report, and the time from exec to exit. `share` is the environment to take part in.
///
/// # Errors
/// When the drill did not pass: a figure of one that failed means nothing.
pub(super) fn drill(
    scenario: &Path,
    operator: &str,
    share: Option<&str>,
) -> miette::Result<(DrillReport, Duration)> {
    drill_with(scenario, operator, share, &[])
}

/// The same with more arguments.
///
/// # Errors
/// As [`drill`].
pub(super) fn drill_with(
    scenario: &Path,
    operator: &str,
    share: Option<&str>,
    more: &[OsString],
) -> miette::Result<(DrillReport, Duration)> {
    let own = std::env::current_exe()
        .map_err(|error| miette::miette!("failed to find the own program: {error}"))?;
    let mut command = Command::new(own);
    command.arg("run").arg(scenario).args(["--operator", operator, "--format", "json"]).args(more);
    command.stderr(Stdio::null());
    if let Some(share) = share {
        command.env("CLONEDRILL_SHARE", share);
    }
    let start = Instant::now();
    let output = command.output().map_err(|error| miette::miette!("failed to run a drill: {error}"))?;
    let took = start.elapsed();
    let run: Run = serde_json::from_slice(&output.stdout)
        .map_err(|error| miette::miette!("failed to read a drill's report ({}): {error}", output.status))?;
    match run.drills.into_iter().next() {
        Some(report) if output.status.success() => Ok((report, took)),
        _ => Err(miette::miette!(
            help = format!(
                "run it by itself to see why: clonedrill run {} --operator {operator}",
                scenario.display()
            ),
            "the drill did not pass ({})",
            output.status
        )),
    }
}

/// What the last round took.
pub(super) fn last(durations: &[Duration]) -> Duration {
    durations.last().copied().unwrap_or_default()
}

/// The middle one; of an even number the lower of the two.
pub(super) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

//! `clonedrill bench suite`: wall time and memory of the whole test suite.

use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use super::memory::Gauge;
use crate::cli::output::say;
use crate::exit::Verdict;
use crate::poll::{Limit, Seen, poll};

const TIME_AT_MOST: Duration = Duration::from_secs(12 * 60);
const MEMORY_AT_MOST: u64 = 6 * 1024 * 1024;

/// A suite that takes five times what it may is ended; memory is looked at every second.
const LIMIT: Limit = Limit {
    total: Duration::from_secs(60 * 60),
    first_interval: Duration::from_millis(200),
    longest_interval: Duration::from_secs(1),
};

/// Measure the wall time and the peak memory of the whole suite, tools and tests built before.
#[derive(Debug, Args)]
pub(super) struct SuiteArgs {
    /// What is run
    #[arg(last = true, default_values_t = ["cargo", "nextest", "run", "--locked"].map(str::to_owned))]
    command: Vec<String>,
}

/// Prints both figures; failed when one is more than it may be.
pub(super) fn main(args: &SuiteArgs) -> Result<Verdict> {
    // Environments outlive the test that started them; they shall stay below this process.
    nix::sys::prctl::set_child_subreaper(true).into_diagnostic()?;
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| miette!("there is nothing to run"))?;
    let gauge = Gauge::new();
    let start = Instant::now();
    let mut suite = Command::new(program)
        .args(arguments)
        .spawn()
        .into_diagnostic()
        .wrap_err_with(|| format!("failed to run {program}"))?;
    let (mut peak, mut processes) = (0, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    let ended = runtime.block_on(poll("the end of the suite", LIMIT, async || {
        let (now, count) = gauge.read();
        if now > peak {
            (peak, processes) = (now, count);
        }
        Ok::<_, std::io::Error>(match suite.try_wait()? {
            Some(status) => Seen::Done(status),
            None => Seen::NotYet(format!("{count} processes")),
        })
    }));
    if ended.is_err() {
        // It may have ended in this moment.
        let _ = suite.kill();
        let _ = suite.wait();
    }
    let took = start.elapsed();
    let status = ended.into_diagnostic()?;
    if !status.success() {
        return Err(miette!("the suite did not pass ({status}): figures of one that failed mean nothing"));
    }
    say(format!("wall time {took:.0?}, at most {TIME_AT_MOST:?}"));
    let mib = |kib: u64| kib / 1024;
    say(format!(
        "peak memory {} MiB of {processes} processes, at most {} MiB",
        mib(peak),
        mib(MEMORY_AT_MOST)
    ));
    Ok(if took > TIME_AT_MOST || peak > MEMORY_AT_MOST { Verdict::Failed } else { Verdict::Passed })
}

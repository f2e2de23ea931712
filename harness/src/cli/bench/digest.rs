//! `clonedrill bench digest`: Measure the data observation against `COPY … TO STDOUT | sha256sum`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use miette::{IntoDiagnostic as _, WrapErr as _, miette};

use crate::cli::output::say;
use crate::cli::{Failure, programs};
use crate::exit::Verdict;
use crate::observe::data::scratch::{Origin, ScratchPostgres};
use crate::observe::data::{DataObservation, Options, compare, observe};
use crate::toolchain::{self, PostgresTool};

/// More memory than this must the harness not take, in KiB.
const MEMORY: u64 = 100 * 1024;

/// Rows all over the table.
const CHANGE: &str = "UPDATE public.accounts SET abalance = 1 WHERE aid % 100 = 0";

/// Measure the data observation against `COPY … TO STDOUT | sha256sum`, on one table.
///
/// Passes when it is at least as fast, also where it keeps every row as drills do, and takes less than 100 MiB, also while it
/// looks for the rows that differ.
#[derive(Debug, Args)]
pub(super) struct DigestArgs {
    /// Rows of the table, each as wide as one of pgbench's accounts.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// The folder for the cluster and what is kept of it, about 400 bytes a row; removed afterwards.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

pub(super) fn main(args: DigestArgs) -> Result<Verdict, Failure> {
    let configuration = programs::configuration()?;
    let newest = programs::alone(move |progress| toolchain::ensure_postgres(&configuration, progress))?.pop();
    let tool = newest.ok_or_else(|| Failure::broken(miette!("failed to find a PostgreSQL")))?;
    let runtime = tokio::runtime::Runtime::new().into_diagnostic().map_err(Failure::broken)?;
    runtime.block_on(measure(&args, &tool)).map_err(Failure::broken)
}

async fn measure(args: &DigestArgs, tool: &PostgresTool) -> miette::Result<Verdict> {
    say(format!("PostgreSQL {}, {} rows", tool.version, args.rows));
    let settings = [("shared_buffers", "1GB"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
    let server =
        ScratchPostgres::start(tool, &args.folder, Origin::Initdb, &settings).await.into_diagnostic()?;
    fill(&server, args.rows).await?;

    let (mut copies, mut ours, mut keeping) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peak, mut before) = (0, None);
    for run in 0..=args.runs {
        let (copy, ()) = timed(async || copy_and_hash(&server)).await?;
        forget_peak()?;
        let (own, _) = timed(async || observed(&server, args.rows, None).await).await?;
        let (keep, kept) = timed(async || observed(&server, args.rows, Some(&args.folder)).await).await?;
        peak = peak.max(peak_memory()?);
        before = Some(kept);
        // The first round only warms caches up.
        if run > 0 {
            say(format!(
                "run {run}: COPY | sha256sum {copy:.2?}, observation {own:.2?}, keeping rows {keep:.2?}"
            ));
            copies.push(copy);
            ours.push(own);
            keeping.push(keep);
        }
    }
    let Some(before) = before else { return Err(miette!("nothing was measured")) };
    let client = server.connect().open("postgres").await.into_diagnostic()?;
    client.batch_execute(CHANGE).await.into_diagnostic().wrap_err("change some rows")?;
    let after = observed(&server, args.rows, Some(&args.folder)).await?;
    forget_peak()?;
    let (comparing, differing) = timed(async || differing(&after, &before)).await?;
    peak = peak.max(peak_memory()?);

    let (copy, own, keep) = (median(copies), median(ours), median(keeping));
    let ratio = |time: Duration| time.as_secs_f64() / copy.as_secs_f64();
    say(format!("medians: COPY | sha256sum {copy:.2?}, observation {own:.2?}, keeping rows {keep:.2?}"));
    say(format!(
        "observation takes {:.2} times what COPY takes, keeping rows {:.2} (at most 1.00)",
        ratio(own),
        ratio(keep)
    ));
    say(format!("{differing} rows that differ, in every part of the table, are found in {comparing:.2?}"));
    say(format!("peak memory of the harness: {} MiB (at most {} MiB)", peak / 1024, MEMORY / 1024));
    let passed = ratio(own) <= 1.0 && ratio(keep) <= 1.0 && peak < MEMORY;
    Ok(if passed { Verdict::Passed } else { Verdict::Failed })
}

async fn fill(server: &ScratchPostgres, rows: u64) -> miette::Result<()> {
    let client = server.connect().open("postgres").await.into_diagnostic()?;
    let table = format!(
        "SET search_path = public;
         CREATE TABLE accounts AS
             SELECT n::int AS aid, (n / 100000 + 1)::int AS bid, 0 AS abalance, ''::char(84) AS filler
             FROM generate_series(1, {rows}) n;
         ALTER TABLE accounts ADD PRIMARY KEY (aid);"
    );
    client.batch_execute(&table).await.into_diagnostic().wrap_err("fill the table")?;
    client.batch_execute("VACUUM (FREEZE, ANALYZE) public.accounts").await.into_diagnostic()?;
    client.batch_execute("CHECKPOINT").await.into_diagnostic()
}

fn copy_and_hash(server: &ScratchPostgres) -> miette::Result<()> {
    let mut psql = server
        .client("psql")
        .args(["-qXAt", "-d", "postgres", "-c", "COPY public.accounts TO STDOUT"])
        .stdout(Stdio::piped())
        .spawn()
        .into_diagnostic()
        .wrap_err("run psql")?;
    let Some(rows) = psql.stdout.take() else { return Err(miette!("psql has no output")) };
    let hash = Command::new("sha256sum").stdin(rows).stdout(Stdio::null()).status();
    let hash = hash.into_diagnostic().wrap_err("run sha256sum")?;
    let psql = psql.wait().into_diagnostic()?;
    match psql.success() && hash.success() {
        true => Ok(()),
        false => Err(miette!("psql left with {psql}, sha256sum with {hash}")),
    }
}

async fn observed(
    server: &ScratchPostgres,
    rows: u64,
    spool: Option<&Path>,
) -> miette::Result<DataObservation> {
    let seen = observe(&server.connect(), &Options::default(), spool).await.into_diagnostic()?;
    let count = seen.rows();
    if count == rows { Ok(seen) } else { Err(miette!("{count} rows were seen, not {rows}")) }
}

/// How many rows differ, where those that do must be found one by one.
fn differing(after: &DataObservation, before: &DataObservation) -> miette::Result<u64> {
    let compared = compare(after, before, &str::to_owned).into_diagnostic()?;
    match compared.differences.as_slice() {
        [accounts] if !accounts.rows.is_empty() => Ok(accounts.rows.len() as u64 + accounts.more),
        _ => Err(miette!("other differences than those of rows that were changed: {compared}")),
    }
}

async fn timed<T>(work: impl AsyncFnOnce() -> miette::Result<T>) -> miette::Result<(Duration, T)> {
    let start = Instant::now();
    let value = work().await?;
    Ok((start.elapsed(), value))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The kernel keeps the peak since the process began; from here on it counts anew.
fn forget_peak() -> miette::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").into_diagnostic().wrap_err("reset the peak of memory")
}

/// The most memory that this process has had in RAM, in KiB.
fn peak_memory() -> miette::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").into_diagnostic()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok())
        .ok_or_else(|| miette!("/proc/self/status has no VmHWM"))
}

//! `clonedrill drill`: restore a cluster that exists from its backup, prove it, and clean up.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use miette::miette;
use tokio_util::sync::CancellationToken;

use super::cluster::{ClusterArgs, cluster_failure, restore_failure};
use super::output::say;
use super::{Failure, run_folder, stop};
use crate::environment::cluster::{ClusterAccess, ClusterError};
use crate::exit::Verdict;
use crate::report::tell::{TellError, key_lines, tell, unusable};
use crate::report::{DrillId, Event, Finding, Format, Terminal, write_files, write_junit};
use crate::restore::{
    self, Budgets, Compare, Destination, Doing, Partly, Plan, Proofs, RestoreDrill, SourceName, Span,
};

const NOT_BEGUN: &str = "the drill was not begun, since nobody would have heard of its end";

/// Restore an existing cluster from its backup, prove that its data are there, and clean up
///
/// The source is a running `postgresql` object; it is only read. The clone is made in another namespace, checked, and
/// removed again, whatever happens. While another drill of the source runs, or the namespace is full, the drill waits
/// for its turn. Exit code: 0 passed, 1 the backup does not restore or an expectation failed, 2 a file or argument is at
/// fault, 3 the cluster is, 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill drill --source orders/acid-orders --into drills
  clonedrill drill --source orders/acid-orders --into drills --compare --rto 30m --rpo 35m
  clonedrill drill --source orders/acid-orders --into drills --print     the clone's manifest only
  clonedrill drill nightly/orders.yaml --format json --junit target/junit.xml")]
pub(super) struct DrillArgs {
    /// The drill's file; `clonedrill schema --of restore` prints its schema
    #[arg(value_name = "FILE", required_unless_present = "source", conflicts_with_all = ["source", "into"])]
    file: Option<PathBuf>,
    /// The cluster whose backup is restored
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = source, requires = "into")]
    source: Option<SourceName>,
    /// The namespace that the clone is made in
    #[arg(long, value_name = "NAMESPACE")]
    into: Option<String>,
    /// Allow `--into` to be the source's own namespace
    #[arg(long, requires = "source")]
    into_source_namespace: bool,
    /// Compare the clone with the source too, which is opened read-only
    #[arg(long)]
    compare: bool,
    /// The point in time: `now`, a span before now, or a time with its zone
    #[arg(long, value_name = "TIME", conflicts_with = "compare")]
    target: Option<String>,
    /// How long a recovery may take
    #[arg(long, value_name = "SPAN")]
    rto: Option<Span>,
    /// How much may be lost
    #[arg(long, value_name = "SPAN")]
    rpo: Option<Span>,
    /// How long to wait while another drill of the source goes on, or the namespace is full [default: 12h]
    #[arg(long, value_name = "SPAN")]
    wait: Option<Span>,
    /// Which proofs: `quick` reads everything once, `full` also looks for damage that reading does not meet
    #[arg(long, value_enum, value_name = "WHICH")]
    proofs: Option<Proofs>,
    /// What becomes of a drill if a part of a proof could not be checked
    #[arg(long, value_enum, value_name = "WHAT")]
    partly: Option<Partly>,
    /// A file of metrics for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// A Pushgateway to send the metrics to
    #[arg(long, value_name = "URL")]
    pushgateway: Option<String>,
    /// Only print the clone's manifest
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// What is printed on stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a JUnit report to this file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The folder for the report and the evidence; without it, one under target/clonedrill
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,
}

fn source(text: &str) -> Result<SourceName, &'static str> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(SourceName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("a source is written as <namespace>/<name>"),
    }
}

pub(super) fn main(args: &DrillArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    let done = known_and_done(args);
    if let Err(failure) = &done {
        Terminal::fail(args.format, failure.verdict, &super::run::failed::errors(failure));
    }
    done
}

fn known_and_done(args: &DrillArgs) -> Result<Verdict, Failure> {
    let drill = drill(args)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
    let done = runtime.block_on(async {
        let stop = CancellationToken::new();
        let _listening = stop::listen(&stop)?;
        let access = ClusterAccess::connect(&args.cluster.wanted()).await;
        match (access, args.print) {
            (Ok(access), true) => print(&access, &drill).await,
            (Err(error), true) => Err(cluster_failure(&error)),
            (access, false) => Ok(run(args, access, &drill, stop).await),
        }
    });
    runtime.shutdown_background();
    done
}

fn drill(args: &DrillArgs) -> Result<RestoreDrill, Failure> {
    let mut drill = match (&args.file, &args.source) {
        (Some(file), _) => restore::load(file).map_err(Failure::invalid)?,
        (None, Some(source)) => {
            let into = Destination {
                namespace: args.into.clone().unwrap_or_default(),
                source_namespace_allowed: args.into_source_namespace,
            };
            restore::named(source.clone(), into)
        }
        (None, None) => return Err(Failure::invalid(miette!("name a file, or a source"))),
    };
    if args.compare && drill.compare.is_none() {
        drill.compare = Some(Compare::default());
    }
    if args.target.is_some() {
        drill.target.clone_from(&args.target);
    }
    drill.proofs = args.proofs.unwrap_or(drill.proofs);
    drill.partly = args.partly.unwrap_or(drill.partly);
    let Budgets { rto, rpo } = drill.within;
    drill.within = Budgets { rto: args.rto.or(rto), rpo: args.rpo.or(rpo) };
    drill.limits.wait = args.wait.or(drill.limits.wait);
    if args.metrics_file.is_some() {
        drill.tell.metrics_file.clone_from(&args.metrics_file);
    }
    if args.pushgateway.is_some() {
        drill.tell.pushgateway.clone_from(&args.pushgateway);
    }
    let wrong: Vec<String> = restore::problems(&drill).into_iter().map(|(_, what)| what).collect();
    if !wrong.is_empty() {
        return Err(Failure::invalid(miette!("{}", wrong.join("\n"))));
    }
    match args.print {
        true => Ok(drill),
        false => can_tell(args, &drill).map(|()| drill),
    }
}

/// Whether everybody in `tell` can be told, as far as that is known: at the end it would be too late to hear of it.
fn can_tell(args: &DrillArgs, drill: &RestoreDrill) -> Result<(), Failure> {
    let given =
        [("/metrics_file", args.metrics_file.is_some()), ("/pushgateway", args.pushgateway.is_some())];
    let (of_arguments, of_file): (Vec<_>, Vec<_>) = unusable(&drill.tell)
        .into_iter()
        .partition(|(place, _)| args.file.is_none() || given.contains(&(*place, true)));
    if let Some((_, error)) = of_arguments.first() {
        return Err(Failure::invalid(miette!(help = NOT_BEGUN, "failed to {error}")));
    }
    let Some(file) = &args.file else { return Ok(()) };
    let problems =
        of_file.into_iter().map(|(place, error)| (format!("/tell{place}"), format!("failed to {error}")));
    restore::placed(file, problems.collect()).map_err(Failure::invalid)
}

async fn print(access: &ClusterAccess, drill: &RestoreDrill) -> Result<Verdict, Failure> {
    let planned = Plan::of(access, drill, jiff::Timestamp::now()).await;
    let planned = planned.and_then(|plan| plan.clone(drill, plan.target));
    let clone = planned.map_err(|error| restore_failure("source", &error))?;
    say(crate::yaml::text(&clone.manifest).trim_end());
    Ok(Verdict::Passed)
}

/// Does the drill, tells everybody, and writes the reports.
async fn run(
    args: &DrillArgs,
    access: Result<ClusterAccess, ClusterError>,
    drill: &RestoreDrill,
    stop: CancellationToken,
) -> Verdict {
    let terminal = Terminal::new(args.format);
    let id = DrillId { scenario: drill.shown(), operator: String::new() };
    let folder = args.evidence.clone().unwrap_or_else(|| run_folder::of(&run_folder::new_id()));
    let evidence = folder.join(drill.shown());
    let mut report = match &access {
        Ok(access) => {
            let told = |event: &Event| terminal.event(&id, event);
            let doing = Doing { access, drill, evidence: &evidence, stop: stop.clone(), told: &told };
            restore::run(&doing).await
        }
        Err(error) => restore::unreached(drill, &evidence, error),
    };
    let untold = tell(&report, &drill.tell, access.ok().map(|access| access.client())).await;
    // Somebody relies on being told: silence must not look like success, for machines neither.
    report.findings.extend(untold.iter().map(not_told));
    if !untold.is_empty() && report.verdict == Verdict::Passed {
        report.verdict = Verdict::Broken;
    }
    terminal.event(&id, &Event::Finished { report: Box::new(report.clone()) });
    let reports = [report];
    // A signal that came while the clone was removed changes nothing of what was proved.
    let result = terminal.finish(&reports, false);
    let mut verdict = result;
    let mut failed = |error: &dyn std::fmt::Display| {
        eprintln!("failed to {error}");
        if verdict == Verdict::Passed {
            verdict = Verdict::Broken;
        }
    };
    match write_files(&folder, &reports, result) {
        Ok(page) => {
            // Whoever looks at the log of a pod looks at its end first; on a terminal the report itself stands there.
            if !std::io::stderr().is_terminal() {
                eprint!("\n{}", reports.iter().map(key_lines).collect::<String>());
            }
            eprintln!("report  {}", page.display());
        }
        Err(error) => failed(&error),
    }
    if let Some(path) = &args.junit
        && let Err(error) = write_junit(path, &reports)
    {
        failed(&error);
    }
    verdict
}

fn not_told(error: &TellError) -> Finding {
    Finding::new("tell", "everybody in `tell` to hear of the drill", format!("failed to {error}"))
        .with_help("what the drill proved stands all the same")
}

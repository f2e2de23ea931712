//! `clonedrill bench check`: a hundred clusters, against the time that the operator alone needs to write them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use miette::{IntoDiagnostic, Result, miette};

use super::rounds;
use crate::cli::inputs;
use crate::exit::Verdict;
use crate::manifests::Manifests;
use crate::render::operator_alone;

/// How many times as long as the operator alone.
const RATIO_AT_MOST: f64 = 3.0;
const ONE_AT_MOST: Duration = Duration::from_secs(10);

/// Measure how long a check of many clusters takes, and of one.
#[derive(Debug, Args)]
pub(super) struct CheckBenchArgs {
    #[arg(long, default_value = "v1.15.1")]
    operator: String,
    #[arg(long, default_value_t = 100)]
    clusters: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The subcommand that is measured: `check` or `render`
    #[arg(long, default_value = "check")]
    command: String,
}

/// Prints medians; failed when they are more than they may be.
pub(super) fn main(args: &CheckBenchArgs) -> Result<Verdict> {
    let folder = tempfile::tempdir().into_diagnostic()?;
    let (many, one) = (folder.path().join("many"), folder.path().join("one"));
    write(&many, args.clusters)?;
    write(&one, 1)?;
    let tools = inputs::tools(std::slice::from_ref(&args.operator)).map_err(|failure| failure.report)?;
    let (input, _) = Manifests::read(std::slice::from_ref(&many)).to_render_input();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    let (mut alone, mut checked, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let start = Instant::now();
        let written = runtime.block_on(operator_alone(&tools, &args.operator, &input, &|_| {}));
        let written = written.map_err(|error| miette!("failed to {error}"))?;
        alone.push(start.elapsed());
        if written != args.clusters {
            return Err(miette!(
                "the operator alone has written {written} of {} StatefulSets",
                args.clusters
            ));
        }
        checked.push(run(&args.command, &many, &args.operator)?);
        single.push(run(&args.command, &one, &args.operator)?);
        println!(
            "round {round}: operator alone {:.2?}, {} {:.2?}; one cluster {:.2?}",
            alone[round - 1],
            args.command,
            checked[round - 1],
            single[round - 1]
        );
    }
    let (alone, checked, single) = (rounds::median(alone), rounds::median(checked), rounds::median(single));
    let ratio = checked.as_secs_f64() / alone.as_secs_f64();
    println!(
        "\nmedians: {} clusters: operator alone {alone:.2?}, {} {checked:.2?}: {ratio:.2} times, at most \
         {RATIO_AT_MOST}; one cluster {single:.2?}, at most {ONE_AT_MOST:?}",
        args.clusters, args.command
    );
    Ok(if ratio > RATIO_AT_MOST || single > ONE_AT_MOST { Verdict::Failed } else { Verdict::Passed })
}

/// As people have them: some namespaces, a Secret in each, a shared configuration, and clones of one another.
fn write(folder: &Path, clusters: usize) -> Result<()> {
    fs::create_dir_all(folder).into_diagnostic()?;
    for index in 0..clusters {
        let namespace = format!("team-{}", index % 5);
        let clone = match index % 4 {
            3 => format!(
                "  clone: {{ cluster: acid-orders-{:03}, uid: c1a0ed00-0000-4000-8000-{:012}, timestamp: \
                 \"2026-01-01T12:00:00+00:00\" }}\n",
                index - 1,
                index - 1
            ),
            _ => String::new(),
        };
        let text = format!(
            "apiVersion: acid.zalan.do/v1\nkind: postgresql\n\
             metadata: {{ name: acid-orders-{index:03}, namespace: {namespace} }}\nspec:\n  teamId: acid\n  \
             numberOfInstances: 2\n  volume: {{ size: 1Gi }}\n  postgresql: {{ version: \"15\" }}\n  \
             users: {{ orders: [] }}\n  databases: {{ orders: orders }}\n{clone}  env:\n    \
             - {{ name: AZURE_STORAGE_ACCOUNT, value: prodbackups }}\n    \
             - {{ name: WALG_AZ_PREFIX, value: \"azure://backups/acid-orders-{index:03}/15\" }}\n    \
             - {{ name: AZURE_STORAGE_ACCESS_KEY, valueFrom: {{ secretKeyRef: {{ name: backup-keys, key: prod }} }} }}\n"
        );
        fs::write(folder.join(format!("orders-{index:03}.yaml")), text).into_diagnostic()?;
    }
    Ok(())
}

/// From exec to exit.
fn run(command: &str, folder: &Path, operator: &str) -> Result<Duration> {
    let own = std::env::current_exe().into_diagnostic()?;
    let start = Instant::now();
    let status = Command::new(own)
        .arg(command)
        .arg(folder)
        .args(["--operator", operator, "--format", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .into_diagnostic()?;
    let took = start.elapsed();
    // A check may have findings; a figure of one that failed means nothing.
    match status.code() {
        Some(0 | 1) => Ok(took),
        _ => Err(miette!("clonedrill {command} {} did not pass ({status})", folder.display())),
    }
}

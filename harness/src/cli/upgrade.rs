//! `clonedrill upgrade`: what another operator version makes of manifests, and of what the older one made.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;

use super::Failure;
use super::inputs::{self, Doing, Given, Input};
use crate::exit::Verdict;
use crate::render::upgrade;
use crate::report::{Format, UpgradeRecord, matrix, upgrade_text};

/// Show what an upgrade of the operator does: to env, StatefulSets and logs, and whether pods will be restarted
///
/// Both versions render the same input; then, on the same control plane, the newer takes over what the older made, each
/// with its own definitions. Exit code: 0 nothing changes, 1 something does, 2 a file is at fault, 3 the environment is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill upgrade --from v1.14.0 --to v1.15.1 manifests/
  clonedrill upgrade --from v1.15.1 --to ours manifests/        ours: under `operators` in clonedrill.yaml
  clonedrill upgrade --matrix scenarios/clone/same-account.yaml
  helm template db chart/ | clonedrill upgrade --from v1.10.1 --to v1.15.1 - --format json")]
pub(super) struct UpgradeArgs {
    /// Scenarios, or files and folders of manifests; `-` is stdin
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    /// The version that runs, or a name from clonedrill.yaml
    #[arg(long, value_name = "VERSION", required_unless_present = "matrix")]
    from: Option<String>,
    /// The version to come, or a name from clonedrill.yaml
    #[arg(long, value_name = "VERSION", required_unless_present = "matrix")]
    to: Option<String>,
    /// A table over all versions that a scenario names, each to the next
    #[arg(long, conflicts_with_all = ["from", "to"])]
    matrix: bool,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn main(args: &UpgradeArgs) -> Result<Verdict, Failure> {
    let given = Given::read(&args.paths)?;
    let steps: Vec<Vec<(String, String)>> =
        given.iter().map(|given| steps(args, given)).collect::<Result<_, _>>()?;
    let mut operators: Vec<String> =
        steps.iter().flatten().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    operators.sort();
    operators.dedup();
    let tools = inputs::tools(&operators)?;
    let (mut records, mut at_fault) = (Vec::new(), false);
    for (given, steps) in given.into_iter().zip(steps) {
        let input = Input::new(given, &tools)?;
        at_fault |= input.is_at_fault();
        for (from, to) in steps {
            let doing = Doing::new();
            let told = |text: &str| doing.tell(text);
            let done = inputs::until_interrupted(upgrade(&tools, (&from, &to), &input.input, None, &told))?;
            drop(doing);
            let done = done.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
            records.push(UpgradeRecord::new(&input.name(), &input.input, &done, &input.secrets));
        }
    }
    match args.format {
        Format::Text if args.matrix => print!("{}", matrix(&records)),
        Format::Text => records.iter().for_each(|record| print!("{}", upgrade_text(record, true))),
        Format::Json => {
            let text = serde_json::to_string_pretty(&records).into_diagnostic().map_err(Failure::broken)?;
            println!("{text}");
        }
    }
    Ok(match (at_fault, records.iter().any(|record| record.changed)) {
        (true, _) => Verdict::Invalid,
        (false, true) => Verdict::Failed,
        (false, false) => Verdict::Passed,
    })
}

fn steps(args: &UpgradeArgs, given: &Given) -> Result<Vec<(String, String)>, Failure> {
    if let (Some(from), Some(to)) = (&args.from, &args.to) {
        return Ok(vec![(from.clone(), to.clone())]);
    }
    let versions = given.versions();
    if versions.len() < 2 {
        return Err(Failure::invalid(miette::miette!(
            help = "give manifests with --from and --to",
            "failed to find versions for a matrix: only a scenario that names two or more has them"
        )));
    }
    Ok(versions.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

//! `clonedrill check`: what will go wrong with manifests, before they are applied.

mod output;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use miette::IntoDiagnostic;

use super::Failure;
use super::live::LiveArgs;
use super::rendering::{self, Rendered};
use crate::check::{self, Baseline, Severity, There};
use crate::exit::Verdict;
use crate::manifests::{Kind, Manifests};
use crate::toolchain::Configuration;

/// Say what will go wrong with manifests, before they are applied
///
/// The real operator renders them against a real API server, without pods; what the containers would get is then held
/// against what Spilo makes of it. Exit code: 0 no error was found, 1 one was (--fail-on says from which severity on), 2 a file is at
/// fault (what can be checked is), 3 the environment is, 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill check manifests/
  clonedrill check operator.yaml clusters/*.yaml --operator v1.14.0
  kustomize build overlays/production | clonedrill check -
  helm template postgres-operator chart/ | clonedrill check - clusters/
  clonedrill check manifests/ --format sarif > findings.sarif
  clonedrill check manifests/ --fail-on warning
  clonedrill check clone.yaml --new
  clonedrill check manifests/ --kubeconfig ~/.kube/config
  clonedrill check --list
  clonedrill check --explain clone-without-prefix")]
pub(super) struct CheckArgs {
    /// Files and folders of manifests; `-` is stdin
    #[arg(required_unless_present_any = ["list", "explain"], value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    /// The operator's version, or a name from clonedrill.yaml; without it, the newest
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What timestamps are held against, in place of the present
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// The worst that does not fail the check is what is less than this
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Findings of an earlier `--format json` are told and not counted
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The clusters are to be made now: what depends on today counts
    #[arg(long, conflicts_with = "kubeconfig")]
    new: bool,
    #[command(flatten)]
    live: LiveArgs,
    /// List all kinds of findings
    #[arg(long, conflicts_with = "explain")]
    list: bool,
    /// Say what a finding is about: what happens, why, an example, the repair
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

/// From which severity on a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            FailOn::Error => Severity::Error,
            FailOn::Warning => Severity::Warning,
            FailOn::Note => Severity::Note,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each finding at its place, and a line at the end
    Text,
    /// One object: the findings, and what is at fault in the input
    Json,
    /// SARIF 2.1.0, for code review
    Sarif,
}

pub(super) fn main(args: CheckArgs) -> Result<Verdict, Failure> {
    if args.list {
        return output::list(args.format == Format::Json).map(|()| Verdict::Passed);
    }
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let here = std::env::current_dir().into_diagnostic().map_err(Failure::broken)?;
    let configuration = Configuration::load(&here).map_err(Failure::invalid)?;
    let mut manifests =
        Manifests::read_with(&args.paths, configuration.check.operator_configuration.as_deref());
    if manifests.problems.is_empty() && manifests.of_kind(Kind::Postgresql).next().is_none() {
        return Err(Failure::invalid(miette::miette!(
            help = match manifests.passed_over.contains_key("Kustomization") {
                true =>
                    "a kustomization is to be built first: `kustomize build <folder> | clonedrill check -`",
                false => "a cluster is an object of kind postgresql, apiVersion acid.zalan.do/v1",
            },
            "failed to find a cluster: there is none among these manifests"
        )));
    }
    args.live.learn(&mut manifests)?;
    let there = if args.new { There::None } else { args.live.there()? };
    let Rendered { rendering, index } = rendering::of(args.operator.as_deref(), &manifests)?;
    let mut checked = check::check(
        &manifests,
        &index,
        &rendering,
        &configuration.check,
        args.now.unwrap_or_else(Timestamp::now),
        &there,
    );
    if let Some(file) = &args.baseline {
        let baseline = Baseline::read(file).map_err(|error| {
            Failure::invalid(miette::miette!(
                help = "`clonedrill check … --format json > baseline.json` makes one",
                "failed to {error}"
            ))
        })?;
        let gone = baseline.apply(&mut checked);
        if gone > 0 {
            eprintln!("{gone} of {} are mended; write it anew to keep them so", baseline.file().display());
        }
    }
    match args.format {
        Format::Text => output::text(&manifests, &rendering, &checked),
        Format::Json => output::json(&manifests, &rendering, &checked)?,
        Format::Sarif => output::sarif(&manifests, &checked)?,
    }
    let at_fault = !(manifests.problems.is_empty() && checked.problems.is_empty());
    let found = checked.worst().is_some_and(|worst| worst <= args.fail_on.severity());
    Ok(match (at_fault, found) {
        (true, _) => Verdict::Invalid,
        (false, true) => Verdict::Failed,
        (false, false) => Verdict::Passed,
    })
}

fn explain(code: &str) -> Result<Verdict, Failure> {
    let Some(definition) = check::by_code(code) else {
        let codes: Vec<&str> = check::definitions().iter().map(|definition| definition.code).collect();
        return Err(Failure::invalid(miette::miette!(
            help = crate::yaml::help(code, &codes),
            "failed to explain `{code}`: there is no finding with this code"
        )));
    };
    print!("{}", definition.page);
    Ok(Verdict::Passed)
}

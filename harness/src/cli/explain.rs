//! `clonedrill explain`: what decides about each cluster's backups.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use super::live::LiveArgs;
use super::rendering::{self, Rendered};
use crate::exit::Verdict;
use crate::explain;
use crate::manifests::Manifests;

/// Say in plain words where each cluster's backups go, what it is restored from, and what a clone of it must say
///
/// The real operator renders the manifests, as for `check`. Each statement has the place that decides it; variables without
/// effect are named. No credential's value is shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill explain manifests/
  clonedrill explain manifests/ --cluster acid-orders
  clonedrill explain manifests/ --format markdown > docs/restore.md
  kustomize build overlays/production | clonedrill explain -")]
pub(super) struct ExplainArgs {
    /// Files and folders of manifests; `-` is stdin. A last one that is no file is taken for a cluster's name
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    /// Only this cluster, as `name` or `namespace/name`
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The operator's version, or a name from clonedrill.yaml; without it, the newest
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
    #[command(flatten)]
    live: LiveArgs,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    /// For the page that people on call read
    Markdown,
    Json,
}

pub(super) fn main(mut args: ExplainArgs) -> Result<Verdict, Failure> {
    // `clonedrill explain manifests/ acid-orders`
    let is_name = |path: &PathBuf| path.as_os_str() != "-" && !path.exists();
    if args.cluster.is_none() && args.paths.len() > 1 && args.paths.last().is_some_and(is_name) {
        args.cluster = args.paths.pop().map(|name| name.display().to_string());
    }
    let configuration = super::programs::configuration()?;
    let mut manifests =
        Manifests::read_with(&args.paths, configuration.check.operator_configuration.as_deref());
    args.live.learn(&mut manifests)?;
    let Rendered { rendering, index } = rendering::of(args.operator.as_deref(), &manifests)?;
    let (mut all, refused) = explain::of_rendering(&manifests, &index, &rendering);
    for problem in manifests.problems.iter().chain(&refused) {
        eprintln!("{:?}", miette::Report::new(problem.clone()));
    }
    for said in &manifests.not_built {
        eprintln!("NOT BUILT: {said}");
    }
    if manifests.settings().is_none() && !all.is_empty() {
        eprintln!("NO OPERATOR CONFIGURATION WAS GIVEN: the default of {} was taken", rendering.operator);
    }
    if let Some(name) = &args.cluster {
        let names: Vec<String> = all.iter().map(|one| one.cluster.clone()).collect();
        all.retain(|one| one.cluster == *name || format!("{}/{}", one.namespace, one.cluster) == *name);
        if all.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(Failure::invalid(miette::miette!(
                help = crate::yaml::help(name, &names),
                "failed to find the cluster `{name}` among these manifests"
            )));
        }
    }
    match args.format {
        Format::Text => print!("{}", explain::text(&all)),
        Format::Markdown => print!("{}", explain::markdown(&all)),
        Format::Json => {
            let text = serde_json::to_string_pretty(&all).map_err(|error| {
                Failure::broken(miette::miette!("failed to write the explanation as JSON: {error}"))
            })?;
            println!("{text}");
        }
    }
    let at_fault = !(manifests.problems.is_empty() && refused.is_empty());
    Ok(if at_fault { Verdict::Invalid } else { Verdict::Passed })
}

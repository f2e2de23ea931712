//! `clonedrill inventory`: where each cluster's backups are.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use super::rendering::{self, Rendered};
use crate::exit::Verdict;
use crate::inventory::{self, Entry};
use crate::manifests::Manifests;

/// List where each cluster's backups are: account, container, prefix, kind of credential, cloned from
///
/// From manifests, as the operator renders them; or from what runs, read through a kubeconfig and never changed.
/// No credential's value is read or shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill inventory manifests/
  clonedrill inventory manifests/ --format markdown > docs/backups.md
  clonedrill inventory --kubeconfig ~/.kube/config --context production
  kustomize build overlays/production | clonedrill inventory -")]
pub(super) struct InventoryArgs {
    /// Files and folders of manifests; `-` is stdin
    #[arg(
        required_unless_present = "kubeconfig",
        conflicts_with = "kubeconfig",
        value_name = "FILE OR FOLDER"
    )]
    paths: Vec<PathBuf>,
    /// Read what runs, with this kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; without it, the current one
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Only this namespace; without it, all
    #[arg(long, short, requires = "kubeconfig")]
    namespace: Option<String>,
    /// The operator's version, or a name from clonedrill.yaml; without it, the newest
    #[arg(long, value_name = "VERSION", conflicts_with = "kubeconfig")]
    operator: Option<String>,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    /// For the page that people on call read
    Markdown,
    Json,
}

pub(super) fn main(args: InventoryArgs) -> Result<Verdict, Failure> {
    let (entries, at_fault) = match &args.kubeconfig {
        Some(kubeconfig) => {
            let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
            let live = inventory::of_cluster(kubeconfig, args.context.as_deref(), args.namespace.as_deref());
            let entries = runtime.block_on(live).map_err(|error| Failure {
                verdict: error.verdict(),
                report: miette::miette!("failed to {error}"),
            })?;
            (entries, false)
        }
        None => of_manifests(&args)?,
    };
    match args.format {
        Format::Table => print!("{}", inventory::table(&entries)),
        Format::Markdown => print!("{}", inventory::markdown(&entries)),
        Format::Json => {
            let text = serde_json::to_string_pretty(&entries).map_err(|error| {
                Failure::broken(miette::miette!("failed to write the inventory as JSON: {error}"))
            })?;
            println!("{text}");
        }
    }
    Ok(if at_fault { Verdict::Invalid } else { Verdict::Passed })
}

fn of_manifests(args: &InventoryArgs) -> Result<(Vec<Entry>, bool), Failure> {
    let configuration = super::programs::configuration()?;
    let configured = configuration.check.operator_configuration.as_deref();
    let manifests = Manifests::read_with(&args.paths, configured);
    let Rendered { rendering, index } = rendering::of(args.operator.as_deref(), &manifests)?;
    let (entries, refused) = inventory::of_rendering(&manifests, &index, &rendering);
    for said in &manifests.not_built {
        eprintln!("NOT BUILT: {said}");
    }
    if manifests.settings().is_none() && !entries.is_empty() {
        eprintln!("NO OPERATOR CONFIGURATION WAS GIVEN: the default of {} was taken", rendering.operator);
    }
    for problem in manifests.problems.iter().chain(&refused) {
        eprintln!("{:?}", miette::Report::new(problem.clone()));
    }
    Ok((entries, !(manifests.problems.is_empty() && refused.is_empty())))
}

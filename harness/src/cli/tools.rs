//! `clonedrill tools`: List the real programs and where they come from, or fetch them ahead of time.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use miette::IntoDiagnostic;
use tokio_util::sync::CancellationToken;

use super::output::{hanging, say};
use super::{Failure, programs, stop};
use crate::exit::Verdict;
use crate::toolchain::{self, Configuration, DEFAULT_OPERATORS, PartStatus};

/// List the real programs and where they come from, or fetch them ahead of time.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub struct ToolsArgs {
    #[command(subcommand)]
    command: Option<ToolsCommand>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum ToolsCommand {
    /// Fetch and build what is missing, so that no run has to.
    #[command(after_help = "Examples:
  clonedrill tools fetch
  clonedrill tools fetch --operator v1.15.1 v1.13.0")]
    Fetch {
        /// Versions of the operator, or names from clonedrill.yaml.
        #[arg(long, value_name = "VERSION", num_args = 1.., default_values_t = default_operators())]
        operator: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

pub fn main(args: ToolsArgs) -> Result<Verdict, Failure> {
    let configuration = Configuration::load(&here()?).map_err(Failure::invalid)?;
    match args.command {
        Some(ToolsCommand::Fetch { operator }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
            runtime.block_on(async {
                let stop = CancellationToken::new();
                let _listening = stop::listen(&stop)?;
                programs::ensure(&configuration, &operator, &stop).await.map_err(Failure::programs)
            })?;
        }
        None => {
            let given = configuration.operators().map(ToOwned::to_owned);
            let operators: Vec<String> = default_operators().into_iter().chain(given).collect();
            let list = toolchain::survey(&configuration, &operators).map_err(Failure::programs)?;
            match args.format {
                Format::Json => say(serde_json::to_string_pretty(&list).map_err(|error| {
                    Failure::broken(miette::miette!("failed to write the list: {error}"))
                })?),
                Format::Table => list.iter().for_each(print),
            }
        }
    }
    Ok(Verdict::Passed)
}

fn here() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::broken(miette::miette!("failed to find the working directory: {error}")))
}

fn help() -> String {
    format!(
        "Examples:
  clonedrill tools
  clonedrill tools fetch
  clonedrill tools --format json | jq -r '.[] | select(.state == \"missing\") | .program'

{}",
        toolchain::ways_to_give()
    )
}

fn default_operators() -> Vec<String> {
    DEFAULT_OPERATORS.map(str::to_owned).to_vec()
}

/// Two lines each: no path is cut, and no line needs more than 100 columns unless its path does.
fn print(status: &PartStatus) {
    let version = status.version.as_deref().unwrap_or("-");
    let first = format!("{:24} {:20} {:8} ", status.program, version, status.state.name());
    say(hanging(&first, &status.from));
    if !status.path.as_os_str().is_empty() {
        say(format!("  {}", shorten(&status.path)));
    }
}

fn shorten(path: &Path) -> String {
    let home = std::env::home_dir().unwrap_or_default();
    match path.strip_prefix(&home) {
        Ok(inside) if !home.as_os_str().is_empty() => format!("~/{}", inside.display()),
        _ => path.display().to_string(),
    }
}

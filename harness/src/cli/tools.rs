//! `clonedrill tools`: List the real programs and where they come from, or fetch them ahead of time.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use crate::exit::Verdict;
use crate::toolchain::{self, Configuration, DEFAULT_OPERATORS, PartStatus, ToolchainError};

/// List the real programs and where they come from, or fetch them ahead of time.
#[derive(Debug, Args)]
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
            toolchain::ensure(&configuration, &operator, &toolchain::Terminal::new()).map_err(failure)?;
        }
        None => {
            let given = configuration.operators().map(ToOwned::to_owned);
            let operators: Vec<String> = default_operators().into_iter().chain(given).collect();
            let list = toolchain::survey(&configuration, &operators).map_err(failure)?;
            match args.format {
                Format::Json => println!(
                    "{}",
                    serde_json::to_string_pretty(&list)
                        .map_err(|error| Failure::broken(miette::miette!("{error}")))?
                ),
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

fn failure(error: ToolchainError) -> Failure {
    Failure { verdict: error.verdict(), report: error.into() }
}

fn default_operators() -> Vec<String> {
    DEFAULT_OPERATORS.map(str::to_owned).to_vec()
}

/// Two lines each: no path is cut, and no line needs more than 100 columns unless its path does.
fn print(status: &PartStatus) {
    let version = status.version.as_deref().unwrap_or("-");
    println!("{:24} {:20} {:8} {}", status.program, version, status.state.name(), status.from);
    println!("  {}", shorten(&status.path));
}

fn shorten(path: &Path) -> String {
    let home = std::env::home_dir().unwrap_or_default();
    match path.strip_prefix(&home) {
        Ok(inside) if !home.as_os_str().is_empty() => format!("~/{}", inside.display()),
        _ => path.display().to_string(),
    }
}

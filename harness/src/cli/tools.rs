//! `clonedrill tools`: List the real programs and where they come from, or fetch them ahead of time.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::output::{hanging, say};
use super::{Failure, programs};
use crate::exit::Verdict;
use crate::toolchain::{self, ArchiveError, DEFAULT_OPERATORS, PartStatus};

/// List the real programs and where they come from, or fetch them ahead of time.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct ToolsArgs {
    #[command(subcommand)]
    command: Option<ToolsCommand>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum ToolsCommand {
    /// Print the folder of the cache.
    #[command(after_help = "Examples:\n  du -sh \"$(clonedrill tools cache)\"")]
    Cache,
    /// Fetch and build what is missing, so that no run has to.
    #[command(after_help = "Examples:
  clonedrill tools fetch
  clonedrill tools fetch --operator v1.15.1 v1.13.0
  clonedrill tools fetch --postgres 17,18        Debian has 13, 15, 17 and 18")]
    Fetch {
        /// Versions of the operator, or names from clonedrill.yaml.
        #[arg(long, value_name = "VERSION", num_args = 1.., default_values_t = default_operators())]
        operator: Vec<String>,
        /// Majors of PostgreSQL besides the machine's own, such as 17, with commas between them.
        #[arg(long, value_name = "MAJOR", value_delimiter = ',')]
        postgres: Vec<u16>,
    },
    /// Write what was fetched and built to one archive, for other machines of the same platform.
    #[command(after_help = "Examples:
  clonedrill tools fetch && clonedrill tools export tools.tar
  clonedrill tools export tools.tar --operator v1.15.1 --postgres 17

Programs that you gave by path, and those of the system, are not in it.")]
    Export {
        /// The archive, a tar file.
        archive: PathBuf,
        /// Versions of the operator.
        #[arg(long, value_name = "VERSION", num_args = 1.., default_values_t = default_operators())]
        operator: Vec<String>,
        /// Majors of PostgreSQL besides the machine's own.
        #[arg(long, value_name = "MAJOR", value_delimiter = ',')]
        postgres: Vec<u16>,
    },
    /// Take programs from an archive into the cache, each checked by its digest.
    #[command(after_help = "Examples:
  clonedrill tools import tools.tar
  clonedrill tools import tools.tar --sha256 9f86d081…        as `export` printed it")]
    Import {
        /// The archive.
        archive: PathBuf,
        /// The SHA-256 that the archive must have, if somebody else could have changed it.
        #[arg(long, value_name = "DIGEST")]
        sha256: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

pub(super) fn main(args: ToolsArgs) -> Result<Verdict, Failure> {
    let configuration = programs::configuration()?;
    match args.command {
        Some(ToolsCommand::Fetch { operator, postgres }) => {
            let configuration = configuration.with_postgres(postgres);
            programs::alone(move |progress| toolchain::ensure(&configuration, &operator, progress))?;
        }
        Some(ToolsCommand::Export { archive, operator, postgres }) => {
            let configuration = configuration.with_postgres(postgres);
            let exported = toolchain::export(&configuration, &operator, &archive)
                .map_err(|error| of_archive(&archive, error))?;
            exported.parts.iter().for_each(|part| say(format!("exported  {part}")));
            say(format!("sha256    {}", exported.sha256));
        }
        Some(ToolsCommand::Import { archive, sha256 }) => {
            let imported = toolchain::import(&configuration, &archive, sha256.as_deref())
                .map_err(|error| of_archive(&archive, error))?;
            for (what, parts) in [
                ("imported", &imported.new),
                ("was there already", &imported.there_already),
                ("does not run here, and will be made when it is needed", &imported.useless),
            ] {
                parts.iter().for_each(|part| say(format!("{part}: {what}")));
            }
        }
        Some(ToolsCommand::Cache) => {
            say(configuration.cache_folder().map_err(Failure::programs)?.display());
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

fn of_archive(archive: &Path, error: ArchiveError) -> Failure {
    let help = match &error {
        ArchiveError::Missing(_) => {
            "`clonedrill tools fetch` makes them, with the same --operator and --postgres"
        }
        ArchiveError::Io { path, .. } if path == archive => "give the path of a file on a disk with room",
        ArchiveError::Io { .. } | ArchiveError::Place { .. } => {
            return Failure::broken(miette::miette!("failed to {error}"));
        }
        ArchiveError::Toolchain(_) => "",
        _ => "export it again with `clonedrill tools export`, on a machine like this one",
    };
    match error {
        ArchiveError::Toolchain(error) => Failure::programs(error),
        error => Failure::invalid(miette::miette!(help = help, "failed to {error}")),
    }
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

pub(super) fn default_operators() -> Vec<String> {
    DEFAULT_OPERATORS.map(str::to_owned).to_vec()
}

/// Two lines each, and what one should know of it: no path is cut, and no line needs more than 100 columns unless its path does.
fn print(status: &PartStatus) {
    let version = status.version.as_deref().unwrap_or("-");
    let first = format!("{:24} {:20} {:8} ", status.program, version, status.state.name());
    say(hanging(&first, &status.from));
    if !status.path.as_os_str().is_empty() {
        say(format!("  {}", shorten(&status.path)));
    }
    if let Some(note) = &status.note {
        say(hanging("  ", note));
    }
}

fn shorten(path: &Path) -> String {
    let home = std::env::home_dir().unwrap_or_default();
    match path.strip_prefix(&home) {
        Ok(inside) if !home.as_os_str().is_empty() => format!("~/{}", inside.display()),
        _ => path.display().to_string(),
    }
}

//! `clonedrill man`: a manual page for the program and one for each subcommand.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::output::say;
use super::{Cli, Failure};
use crate::exit::Verdict;

/// Write manual pages: one for clonedrill, one for each subcommand.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill man ~/.local/share/man/man1 && man clonedrill-run")]
pub(super) struct ManArgs {
    /// The folder; it is made if it does not exist
    #[arg(value_name = "FOLDER")]
    into: PathBuf,
}

pub(super) fn main(args: &ManArgs) -> Result<Verdict, Failure> {
    let failed = |error: std::io::Error| {
        Failure::invalid(miette::miette!("failed to write manual pages to {}: {error}", args.into.display()))
    };
    std::fs::create_dir_all(&args.into).map_err(failed)?;
    // Hidden subcommands are processes of clonedrill's own.
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.into).map_err(failed)?;
    say(format!("man {}", args.into.join("clonedrill.1").display()));
    Ok(Verdict::Passed)
}

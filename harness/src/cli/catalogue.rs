//! `clonedrill catalogue`: the messages that `known` and `because` may name.

use clap::Args;

use super::Failure;
use super::output::{hanging, say};
use crate::exit::Verdict;
use crate::observe::catalogue::{self, Entry};

/// List the known messages: their names, what each one means, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill catalogue             every message
  clonedrill catalogue no-backups  those with this in their names")]
pub(super) struct CatalogueArgs {
    /// Only messages with this in their names
    part: Option<String>,
}

pub(super) fn main(args: &CatalogueArgs) -> Result<Verdict, Failure> {
    let part = args.part.as_deref().unwrap_or_default();
    let entries: Vec<&Entry> = catalogue::entries().filter(|entry| entry.name.contains(part)).collect();
    if entries.is_empty() {
        return Err(Failure::invalid(miette::miette!(
            help = "`clonedrill catalogue` lists all of them",
            "failed to find a known message with `{part}` in its name"
        )));
    }
    for entry in entries {
        say(format_args!("{} ({}, {})", entry.name, entry.source.name(), entry.level.name()));
        say(hanging("  ", entry.means));
        if !entry.do_.is_empty() {
            say(hanging("  do: ", entry.do_));
        }
    }
    Ok(Verdict::Passed)
}

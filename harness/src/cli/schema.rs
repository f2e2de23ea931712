//! `clonedrill schema`: the JSON Schema of the files that people write.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use super::output::say;
use crate::exit::Verdict;

/// Print the JSON Schema of scenario files, or of restore drills' files
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill schema > scenario.schema.json
  clonedrill schema --of restore  that of restore drills' files
  clonedrill schema --check       is the committed one that of this version?
  clonedrill schema --write       bring the committed one up to date")]
pub(super) struct SchemaArgs {
    /// Of which files
    #[arg(long, value_enum, default_value_t = Of::Scenario)]
    of: Of,

    /// Compare with this file instead; exit with 2 if it differs.
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with = "write")]
    check: Option<Option<PathBuf>>,

    /// Write it to this file instead.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    write: Option<Option<PathBuf>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// What `clonedrill run` takes
    Scenario,
    /// What `clonedrill drill` takes
    Restore,
}

impl Of {
    /// `file`, or the committed schema, from the repository's root.
    fn place(self, file: Option<PathBuf>) -> PathBuf {
        let committed = match self {
            Of::Scenario => "harness/scenario.schema.json",
            Of::Restore => "harness/restore.schema.json",
        };
        file.unwrap_or_else(|| committed.into())
    }
}

pub(super) fn main(args: SchemaArgs) -> Result<Verdict, Failure> {
    let schema = match args.of {
        Of::Scenario => crate::scenario::json_schema(),
        Of::Restore => crate::restore::json_schema(),
    };
    let schema =
        schema.map_err(|error| Failure::broken(miette::miette!("failed to write the schema: {error}")))?;
    if let Some(file) = args.write.map(|file| args.of.place(file)) {
        std::fs::write(&file, schema).map_err(|error| {
            Failure::invalid(miette::miette!("failed to write {}: {error}", file.display()))
        })?;
    } else if let Some(file) = args.check.map(|file| args.of.place(file)) {
        let committed = std::fs::read_to_string(&file).map_err(|error| {
            Failure::invalid(miette::miette!("failed to read {}: {error}", file.display()))
        })?;
        if committed != schema {
            return Err(Failure::invalid(miette::miette!(
                help = "`clonedrill schema --write` brings it up to date",
                "{} is not the schema of this version",
                file.display()
            )));
        }
    } else {
        say(schema.trim_end());
    }
    Ok(Verdict::Passed)
}

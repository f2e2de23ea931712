//! `clonedrill schema`: Print the JSON Schema of scenario files.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::output::say;
use crate::exit::Verdict;
use crate::scenario::json_schema;

/// Print the JSON Schema of scenario files.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill schema > scenario.schema.json
  clonedrill schema --check       is the committed one that of this version?
  clonedrill schema --write       bring the committed one up to date")]
pub struct SchemaArgs {
    /// Compare with this file instead; exit 2 where it differs.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = COMMITTED, conflicts_with = "write")]
    check: Option<PathBuf>,

    /// Write it to this file instead.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = COMMITTED)]
    write: Option<PathBuf>,
}

/// The committed schema, from the repository's root.
const COMMITTED: &str = "harness/scenario.schema.json";

pub fn main(args: SchemaArgs) -> Result<Verdict, Failure> {
    let schema = json_schema()
        .map_err(|error| Failure::broken(miette::miette!("failed to write the schema: {error}")))?;
    if let Some(file) = args.write {
        std::fs::write(&file, schema).map_err(|error| {
            Failure::invalid(miette::miette!("failed to write {}: {error}", file.display()))
        })?;
    } else if let Some(file) = args.check {
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

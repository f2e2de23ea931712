//! `clonedrill schema`: Print the JSON Schema of scenario files.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Print the JSON Schema of scenario files.
#[derive(Debug, Args)]
pub struct SchemaArgs {}

pub fn main(_args: SchemaArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`schema` is not built yet")))
}

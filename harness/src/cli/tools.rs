//! `clonedrill tools`: List the real programs, or fetch them ahead of time.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// List the real programs, or fetch them ahead of time.
#[derive(Debug, Args)]
pub struct ToolsArgs {}

pub fn main(_args: ToolsArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`tools` is not built yet")))
}

//! `clonedrill drill`: The process that runs one drill inside an environment (started by run).

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// The process that runs one drill inside an environment (started by run).
#[derive(Debug, Args)]
pub struct DrillArgs {}

pub fn main(_args: DrillArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`drill` is not built yet")))
}

//! `clonedrill environment`: The process that is a local environment (started by the others).

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// The process that is a local environment (started by the others).
#[derive(Debug, Args)]
pub struct EnvironmentArgs {}

pub fn main(_args: EnvironmentArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`environment` is not built yet")))
}

//! `clonedrill run`: Run scenarios and say whether their backups clone back.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Run scenarios and say whether their backups clone back.
#[derive(Debug, Args)]
pub struct RunArgs {}

pub fn main(_args: RunArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`run` is not built yet")))
}

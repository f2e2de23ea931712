//! `clonedrill validate`: Check scenario files without starting anything.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Check scenario files without starting anything.
#[derive(Debug, Args)]
pub struct ValidateArgs {}

pub fn main(_args: ValidateArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`validate` is not built yet")))
}

//! `clonedrill up`: Keep a local environment running, and print how to look inside.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Keep a local environment running, and print how to look inside.
#[derive(Debug, Args)]
pub struct UpArgs {}

pub fn main(_args: UpArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`up` is not built yet")))
}

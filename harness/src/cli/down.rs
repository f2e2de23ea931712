//! `clonedrill down`: End an environment that up started.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// End an environment that up started.
#[derive(Debug, Args)]
pub struct DownArgs {}

pub fn main(_args: DownArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`down` is not built yet")))
}

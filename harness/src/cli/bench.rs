//! `clonedrill bench`: Measure a drill against a hand-written shell script, and the digest against COPY.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Measure a drill against a hand-written shell script, and the digest against COPY.
#[derive(Debug, Args)]
pub struct BenchArgs {}

pub fn main(_args: BenchArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`bench` is not built yet")))
}

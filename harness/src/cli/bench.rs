//! `clonedrill bench`: Measure the harness against plain programs that do the same, within one run.

mod digest;

use clap::{Args, Subcommand};

use super::Failure;
use crate::exit::Verdict;

/// Measure the harness against plain programs that do the same, within one run.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Digest(digest::DigestArgs),
}

pub fn main(args: BenchArgs) -> Result<Verdict, Failure> {
    match args.what {
        Bench::Digest(args) => digest::main(args),
    }
}

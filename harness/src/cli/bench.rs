//! `clonedrill bench`: Measure the harness against plain programs that do the same, within one run.

mod baseline;
mod check;
mod digest;
mod drill;
mod environment;
mod rounds;

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
    Check(check::CheckBenchArgs),
    Digest(digest::DigestArgs),
    Drill(drill::DrillBenchArgs),
    Environment(environment::EnvironmentBenchArgs),
    #[command(hide = true)]
    Baseline(baseline::BaselineArgs),
}

pub fn main(args: BenchArgs) -> Result<Verdict, Failure> {
    match args.what {
        Bench::Check(args) => measured(check::main(&args)),
        Bench::Digest(args) => digest::main(args),
        Bench::Drill(args) => measured(drill::main(&args)),
        Bench::Environment(args) => measured(environment::main(&args)),
        Bench::Baseline(args) => measured(baseline::main(&args)),
    }
}

fn measured(result: miette::Result<Verdict>) -> Result<Verdict, Failure> {
    result.map_err(Failure::broken)
}

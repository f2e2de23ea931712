//! `clonedrill bench`: Measure the harness against plain programs that do the same, within one run.

mod baseline;
mod check;
mod digest;
mod drill;
mod environment;
mod image;
mod memory;
mod rounds;
mod suite;

use clap::{Args, Subcommand};

use super::Failure;
use crate::exit::Verdict;

/// Measure the harness against plain programs that do the same, within one run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill bench drill                    against a hand-written script, at most 6 times its time
  clonedrill bench environment --rounds 9   from exec to the operator ready, cold and warm
  clonedrill bench digest --rows 1000000
  clonedrill bench image --archive images.tar   at most 1.3 times what drills without images take
  clonedrill bench suite                    wall time and memory of all tests, as cargo nextest runs them

Exit code: 0 within the limits, 1 beyond one.")]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Check(check::CheckBenchArgs),
    Digest(digest::DigestArgs),
    Drill(drill::DrillBenchArgs),
    Environment(environment::EnvironmentBenchArgs),
    Image(image::ImageBenchArgs),
    Suite(suite::SuiteArgs),
    #[command(hide = true)]
    Baseline(baseline::BaselineArgs),
}

pub(super) fn main(args: BenchArgs) -> Result<Verdict, Failure> {
    match args.what {
        Bench::Check(args) => measured(check::main(&args)),
        Bench::Digest(args) => digest::main(args),
        Bench::Drill(args) => drill::main(&args),
        Bench::Environment(args) => measured(environment::main(&args)),
        Bench::Image(args) => measured(image::main(&args)),
        Bench::Suite(args) => measured(suite::main(&args)),
        Bench::Baseline(args) => measured(baseline::main(&args)),
    }
}

fn measured(result: miette::Result<Verdict>) -> Result<Verdict, Failure> {
    result.map_err(Failure::broken)
}

//! `clonedrill init`: process 1 of the Spilo stand-in's containers in kind. Hidden.

use clap::Args;
use miette::miette;

use super::Failure;
use crate::environment::local::container;
use crate::exit::Verdict;

/// Run a program, reap what it leaves, and pass signals on.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The program with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,
}

pub(super) fn main(args: &InitArgs) -> Result<Verdict, Failure> {
    match container::run_below(&args.argv) {
        // The exit code is the program's, and no verdict.
        Ok(code) => std::process::exit(code),
        Err(error) => Err(Failure::broken(miette!("failed to {error}"))),
    }
}

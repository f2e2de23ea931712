//! `clonedrill doctor`: Say what this machine can run, and the remedy for what it cannot.

use clap::Args;

use super::Failure;
use crate::exit::Verdict;

/// Say what this machine can run, and the remedy for what it cannot.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

pub fn main(_args: DoctorArgs) -> Result<Verdict, Failure> {
    Err(Failure::broken(miette::miette!("`doctor` is not built yet")))
}

//! `clonedrill container`: The process that is a container's supervisor (started by the node).

use clap::Args;

use super::Failure;
use crate::environment::local::container;
use crate::exit::Verdict;

/// The process that is a container's supervisor (started by the node).
#[derive(Debug, Args)]
pub(super) struct ContainerArgs {}

pub(super) fn main(_args: ContainerArgs) -> Result<Verdict, Failure> {
    // The exit code is the program's, as the node and `exec` want it, and no verdict.
    std::process::exit(container::main());
}

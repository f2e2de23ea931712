//! `clonedrill layers`: The process that unpacks and removes layers of images (started where one is wanted).

use clap::Args;

use super::Failure;
use crate::exit::Verdict;
use crate::toolchain::images;

/// The process that unpacks and removes layers of images (started where one is wanted).
#[derive(Debug, Args)]
pub(super) struct LayersArgs {}

pub(super) fn main(_args: &LayersArgs) -> Result<Verdict, Failure> {
    images::main();
    Ok(Verdict::Passed)
}

//! `clonedrill storage-gateway`: the gateway before a drill's storage, as a pod of a kind cluster. Hidden.

use clap::Args;
use miette::miette;

use super::Failure;
use crate::environment::kind::gateway;
use crate::exit::Verdict;

/// Serve a drill's storage accounts to pods.
#[derive(Debug, Args)]
pub(super) struct StorageGatewayArgs {}

pub(super) fn main(_args: &StorageGatewayArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::broken_while("start"))?;
    match runtime.block_on(gateway::serve()) {
        Ok(()) => Ok(Verdict::Passed),
        Err(error) => Err(Failure::broken(miette!("failed to {error}"))),
    }
}

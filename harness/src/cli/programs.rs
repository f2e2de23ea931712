//! The set-up of a subcommand that runs something: can this machine, and are the programs there?

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::toolchain::doctor::why_no_sandbox;
use crate::toolchain::{self, Configuration, Terminal, ToolchainError, Tools};

/// Says what is wrong with a machine that cannot hold an environment, before anything is built for it.
///
/// # Errors
/// The lack, with its remedy as help.
pub(super) fn can_sandbox() -> Result<(), Failure> {
    match why_no_sandbox() {
        None => Ok(()),
        Some(lack) => Err(Failure::broken(miette::miette!(
            help = lack.remedy,
            "failed to make a sandbox for the local environment: {}",
            lack.problem
        ))),
    }
}

/// The programs of a run, fetched or built where they are missing; builds are ended when `stop` is cancelled.
///
/// # Errors
/// When one cannot be had, or nobody wants them any more.
pub(super) async fn ensure(
    configuration: &Configuration,
    operators: &[String],
    stop: &CancellationToken,
) -> Result<Tools, ToolchainError> {
    let (configuration, operators) = (configuration.clone(), operators.to_vec());
    let progress = Terminal::until(stop.clone());
    let made =
        tokio::task::spawn_blocking(move || toolchain::ensure(&configuration, &operators, &progress)).await;
    made.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

//! The set-up of a subcommand that runs something: can this machine, and are the programs there?

use miette::IntoDiagnostic;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use tokio_util::sync::CancellationToken;

use super::{Failure, stop};
use crate::environment::{Prepared, Which};
use crate::toolchain::{Configuration, ConfigurationError, Terminal, ToolchainError};

/// What a person gave, for the working directory.
///
/// # Errors
/// When `clonedrill.yaml` is at fault.
pub(super) fn configuration() -> Result<Configuration, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::broken(miette::miette!("failed to find the working directory: {error}")))?;
    Configuration::load(&here).map_err(|error| match error {
        ConfigurationError::Read { .. } => Failure::invalid(miette::miette!("failed to {error}")),
        placed => Failure::invalid(placed),
    })
}

/// Says what is wrong with a machine that cannot hold an environment, before anything is built for it.
///
/// # Errors
/// The lack, with its remedy as help.
pub(super) fn can_hold(which: Which) -> Result<(), Failure> {
    let described = which.description();
    match (described.lacks)() {
        None => Ok(()),
        Some(lack) => Err(Failure::broken(miette::miette!(
            help = lack.remedy,
            "failed to make a sandbox for the {} environment: {}",
            described.name,
            lack.problem
        ))),
    }
}

/// The same for the one that needs nothing but this machine.
///
/// # Errors
/// As [`can_hold`].
pub(super) fn can_sandbox() -> Result<(), Failure> {
    can_hold(Which::Local)
}

/// The programs of a run, fetched or built where they are missing, for drills in one of the environments; builds are ended
/// when `stop` is cancelled.
///
/// # Errors
/// When one cannot be had, or nobody wants them any more.
pub(super) async fn prepare(
    which: Which,
    configuration: &Configuration,
    operators: &[String],
    stop: &CancellationToken,
) -> Result<Prepared, ToolchainError> {
    let (configuration, operators) = (configuration.clone(), operators.to_vec());
    let prepare = which.description().prepare;
    beside(stop, move |progress| prepare(&configuration, &operators, progress)).await
}

/// Makes programs outside of any runtime; Ctrl-C ends that. Afterwards it ends the process, as it did before.
///
/// # Errors
/// When one cannot be had, or nobody wants them any more.
pub(super) fn alone<T: Send + 'static>(
    make: impl FnOnce(&Terminal) -> Result<T, ToolchainError> + Send + 'static,
) -> Result<T, Failure> {
    let made = stop::in_runtime(async |stop| beside(&stop, make).await.map_err(Failure::programs));
    let by_default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: no handler is installed that could run.
        unsafe { sigaction(signal, &by_default) }.into_diagnostic().map_err(Failure::broken)?;
    }
    made
}

/// On a thread of its own, so that signals are heard meanwhile.
async fn beside<T: Send + 'static>(
    stop: &CancellationToken,
    make: impl FnOnce(&Terminal) -> Result<T, ToolchainError> + Send + 'static,
) -> Result<T, ToolchainError> {
    let progress = Terminal::until(stop.clone());
    let made = tokio::task::spawn_blocking(move || make(&progress)).await;
    made.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

//! Ctrl-C and SIGTERM, for subcommands that have something to end first.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;

/// Cancels `stop` at Ctrl-C or SIGTERM. Call it inside a runtime.
///
/// # Errors
/// When the signals cannot be listened to.
pub(super) fn listen(stop: &CancellationToken) -> Result<AbortOnDropHandle<()>, Failure> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(Failure::broken_while("listen for signals"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(Failure::broken_while("listen for signals"))?;
    let stop = stop.clone();
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        stop.cancel();
    })))
}

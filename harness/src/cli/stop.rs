//! Ctrl-C and SIGTERM, for subcommands that have something to end first.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;

/// Runs `work` in a runtime of its own, with what Ctrl-C and SIGTERM cancel.
///
/// # Errors
/// Those of `work`, or when nothing can be run or listened to.
pub(super) fn in_runtime<T>(
    work: impl AsyncFnOnce(CancellationToken) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // One thread: children are told to end with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::broken_while("start"))?.block_on(async {
        let stop = CancellationToken::new();
        let _listening = listen(&stop)?;
        work(stop).await
    })
}

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

//! Sidecars: init containers that go on beside the others. They stop when all others have ended, the last one first.

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::container::Task;
use super::termination::Stop;

/// The sidecars of a pod that run, in their order.
#[derive(Default)]
pub(super) struct Sidecars(Vec<Sidecar>);

struct Sidecar {
    stop: watch::Sender<Stop>,
    task: AbortOnDropHandle<bool>,
}

impl Sidecars {
    /// Runs what `task` makes of the sidecar's own stop.
    pub(super) fn start(&mut self, task: impl FnOnce(watch::Receiver<Stop>) -> Task) {
        let (stop, stopped) = watch::channel(Stop::No);
        let task = AbortOnDropHandle::new(tokio::spawn(task(stopped).run()));
        self.0.push(Sidecar { stop, task });
    }

    /// Stops one after the other. All together have until `until`, or less when the pod's own stop says so meanwhile.
    pub(super) async fn end(self, mut pod: watch::Receiver<Stop>, mut until: Instant) {
        for Sidecar { stop, mut task } in self.0.into_iter().rev() {
            loop {
                let left = Stop::Within(until.saturating_duration_since(Instant::now()));
                stop.send_replace(left);
                tokio::select! {
                    ended = &mut task => {
                        go_on_panicking(ended);
                        break;
                    }
                    Ok(()) = pod.changed() => if let Stop::Within(grace) = *pod.borrow_and_update() {
                        until = until.min(Instant::now() + grace);
                    }
                }
            }
        }
    }
}

/// A task's panic goes on in the one that waited for it, up to the node.
pub(super) fn go_on_panicking(ended: Result<bool, JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

//! One container of a pod: its attempts, one after the other, until it may rest.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::restart::{BackOff, RestartPolicy};
use super::super::status::{ContainerView, Ended, State};
use super::attempt::{self, AttemptError};
use super::{PodRun, Stop};
use crate::environment::local::container::CANNOT_RUN;

/// Runs one container of a pod.
pub(super) struct Task {
    pub run: Arc<PodRun>,
    pub container: Container,
    pub stop: watch::Receiver<Stop>,
    is_init: bool,
    index: usize,
    policy: RestartPolicy,
}

impl Task {
    pub(super) fn init(
        run: Arc<PodRun>,
        index: usize,
        container: Container,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let policy = if sidecar { RestartPolicy::Always } else { run.policy.for_init() };
        Task { run, container, stop, is_init: true, index, policy }
    }

    pub(super) fn main(
        run: Arc<PodRun>,
        index: usize,
        container: Container,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        let policy = run.policy;
        Task { run, container, stop, is_init: false, index, policy }
    }

    /// Changes what is known about the container; published at once when it is news.
    pub(super) fn update(&self, change: impl FnOnce(&mut ContainerView)) {
        self.run.view.send_if_modified(|view| {
            let views = if self.is_init { &mut view.inits } else { &mut view.containers };
            let Some(view) = views.get_mut(self.index) else { return false };
            let before = view.clone();
            change(view);
            *view != before
        });
    }

    pub(super) fn waiting(&self, reason: &str, message: Option<String>) {
        self.update(|view| {
            view.ready = false;
            view.unready = None;
            view.started = false;
            view.state = State::Waiting { reason: reason.to_owned(), message };
        });
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow() != Stop::No
    }

    /// True when the container ended well and need not run again.
    pub(super) async fn run(self) -> bool {
        let mut back_off = BackOff::default();
        let mut number = 0;
        loop {
            let begun = Instant::now();
            let from = Timestamp::now();
            let code = match attempt::run(&self, number).await {
                Ok(code) => {
                    let end = Ended { code, from, to: Timestamp::now(), message: None };
                    self.ended(end, None);
                    code
                }
                Err(AttemptError::Stopped) => return false,
                Err(error) => {
                    let reason = error.reason();
                    tracing::debug!(container = self.container.name, %error, reason, "a container did not start");
                    let end = Ended { code: CANNOT_RUN, from, to: from, message: Some(error.to_string()) };
                    self.ended(end, Some((reason, error.to_string())));
                    CANNOT_RUN
                }
            };
            if self.stopping() || !self.policy.restarts_after(code) {
                return code == 0;
            }
            number += 1;
            if !self.pause(back_off.pause_after(begun.elapsed())).await {
                return false;
            }
            self.update(|view| {
                if let State::Ended(end) = &view.state {
                    view.last_end = Some(end.clone());
                }
                view.restarts += 1;
            });
        }
    }

    fn ended(&self, end: Ended, could_not_start: Option<(&'static str, String)>) {
        // As kubelet has it: an init container that did its work is ready.
        let done = self.is_init && end.code == 0;
        self.update(|view| {
            view.ready = done;
            view.unready = None;
            view.started = false;
            view.state = match could_not_start {
                Some((reason, message)) => {
                    view.last_end = Some(end);
                    State::Waiting { reason: reason.to_owned(), message: Some(message) }
                }
                None => State::Ended(end),
            };
        });
    }

    /// False when the pod is to stop meanwhile.
    async fn pause(&self, pause: Duration) -> bool {
        if pause.is_zero() {
            return true;
        }
        let message = format!(
            "back-off {}s restarting failed container={} pod={}_{}({})",
            pause.as_secs(),
            self.container.name,
            self.run.name,
            self.run.namespace,
            self.run.uid
        );
        self.update(|view| {
            if let State::Ended(end) = &view.state {
                view.last_end = Some(end.clone());
            }
            view.state = State::Waiting { reason: "CrashLoopBackOff".to_owned(), message: Some(message) };
        });
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            _ = stop.wait_for(|stop| *stop != Stop::No) => false,
        }
    }
}

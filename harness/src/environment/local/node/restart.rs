//! When a container that ended starts again: at once the first time, then with a growing pause as kubelet does.

use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A container that ran for so long is no longer held to be crashing.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn of_pod(policy: Option<&str>) -> Self {
        match policy {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        }
    }

    /// Init containers that end well are done, whatever the pod's policy is.
    pub(super) fn for_init(self) -> Self {
        if self == RestartPolicy::Always { RestartPolicy::OnFailure } else { self }
    }

    pub(super) fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Never => false,
        }
    }
}

/// The pause before each restart of one container.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    next: Duration,
}

impl BackOff {
    pub(super) fn pause_after(&mut self, ran_for: Duration) -> Duration {
        if ran_for >= FORGIVEN_AFTER {
            self.next = Duration::ZERO;
        }
        let pause = self.next;
        self.next = if pause.is_zero() { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_pauses_double_up_to_five_minutes() {
        let mut back_off = BackOff::default();
        let pauses: Vec<u64> = (0..8).map(|_| back_off.pause_after(Duration::ZERO).as_secs()).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_container_that_ran_for_long_starts_over() {
        let mut back_off = BackOff::default();
        for _ in 0..4 {
            back_off.pause_after(Duration::ZERO);
        }
        assert_eq!(back_off.pause_after(Duration::from_secs(599)).as_secs(), 80);
        assert_eq!(back_off.pause_after(Duration::from_secs(600)).as_secs(), 0);
        assert_eq!(back_off.pause_after(Duration::ZERO).as_secs(), 10);
    }

    #[test]
    fn the_policy_decides_by_the_exit_code() {
        use RestartPolicy::*;
        assert!(RestartPolicy::of_pod(None).restarts_after(0));
        assert!(!Always.for_init().restarts_after(0) && Always.for_init().restarts_after(1));
        assert!(!OnFailure.restarts_after(0) && OnFailure.restarts_after(137));
        assert!(!Never.for_init().restarts_after(1));
    }
}

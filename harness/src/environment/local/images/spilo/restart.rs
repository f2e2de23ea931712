//! Whether and when Patroni is started again after it ended, as runit does in Spilo.

use std::time::Duration;

/// The pauses after the first failure, the second, …; after one more there is no other start. Spilo's are 30, 60, 90
/// and 120 s. Only the first is cut short: two failed bootstraps are the evidence that a drill waits for, and what
/// the first leaves behind does not change meanwhile.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(60), Duration::from_secs(90), Duration::from_secs(120)];

/// Between two starts of a service that ended at once, runsv lets a second pass.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What follows a child's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    StartAfter(Duration),
    /// The container goes on without Patroni, until it is stopped.
    StayDown,
}

/// Counts the restarts of one service.
#[derive(Debug)]
pub(super) struct Restarts {
    pauses: Vec<Duration>,
    failures: usize,
}

impl Default for Restarts {
    fn default() -> Self {
        Restarts::with_pauses(&PAUSES)
    }
}

impl Restarts {
    /// With other pauses than Spilo's: one start more than there are pauses.
    pub(super) fn with_pauses(pauses: &[Duration]) -> Self {
        Restarts { pauses: pauses.to_owned(), failures: 0 }
    }

    /// `code` is -1 where a signal ended it; `signal` is 0 where none did. Logs as runit's scripts do.
    pub(super) fn after(&mut self, service: &str, code: i32, signal: i32) -> Next {
        println!("{service}: finished with code={code} signal={signal}");
        if code != 0 && code != 2 {
            // Killed for lack of memory: not counted.
            if signal == 9 {
                return Next::StartAfter(AT_ONCE);
            }
            if let Some(pause) = self.pauses.get(self.failures) {
                self.failures += 1;
                println!("{service}: sleeping {} seconds", pause.as_secs());
                return Next::StartAfter(*pause);
            }
            println!("{service}: exceeded maximum number of restarts {}", self.failures + 1);
        }
        println!("stopping {service}");
        self.failures = 0;
        Next::StayDown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_after_spilos_pauses_but_the_first_and_not_for_ever() {
        let mut restarts = Restarts::default();
        let next: Vec<Next> = (0..5).map(|_| restarts.after("patroni", 1, 0)).collect();
        let wait = |seconds| Next::StartAfter(Duration::from_secs(seconds));
        assert_eq!(next, [wait(2), wait(60), wait(90), wait(120), Next::StayDown]);
    }

    #[test]
    fn a_clean_end_is_not_retried() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.after("patroni", 0, 0), Next::StayDown);
        assert_eq!(restarts.after("patroni", 2, 0), Next::StayDown);
    }

    #[test]
    fn a_kill_is_not_counted_and_another_signal_is() {
        let mut restarts = Restarts::default();
        for _ in 0..6 {
            assert_eq!(restarts.after("patroni", -1, 9), Next::StartAfter(Duration::from_secs(1)));
        }
        assert_eq!(restarts.after("patroni", -1, 11), Next::StartAfter(Duration::from_secs(2)));
        assert_eq!(restarts.after("patroni", 1, 0), Next::StartAfter(Duration::from_secs(60)));
    }
}

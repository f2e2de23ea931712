//! Whether and when Patroni is started again after it ended, as runit does in Spilo.

use std::time::Duration;

const MAX_RESTARTS: u32 = 5;

/// Spilo waits 30 s more each time; here 2 s, since a drill recognises a bootstrap that fails by its second
/// failure and what the first leaves behind does not change meanwhile.
const BACKOFF: Duration = Duration::from_secs(2);

/// What follows a child's end.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    StartAfter(Duration),
    /// The container goes on without Patroni, until it is stopped.
    StayDown,
}

/// Counts the restarts of one service.
#[derive(Debug, Default)]
pub struct Restarts(u32);

impl Restarts {
    /// `code` is -1 where a signal ended it; `signal` is 0 where none did. Logs as runit's scripts do.
    pub fn after(&mut self, service: &str, code: i32, signal: i32) -> Next {
        println!("{service}: finished with code={code} signal={signal}");
        if code != 0 && code != 2 {
            // Killed for lack of memory: at once, and not counted.
            if signal == 9 {
                return Next::StartAfter(Duration::ZERO);
            }
            self.0 += 1;
            if self.0 < MAX_RESTARTS {
                let wait = BACKOFF * self.0;
                println!("{service}: sleeping {} seconds", wait.as_secs());
                return Next::StartAfter(wait);
            }
            println!("{service}: exceeded maximum number of restarts {MAX_RESTARTS}");
        }
        println!("stopping {service}");
        self.0 = 0;
        Next::StayDown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_ever_later_and_not_for_ever() {
        let mut restarts = Restarts::default();
        let next: Vec<Next> = (0..5).map(|_| restarts.after("patroni", 1, 0)).collect();
        let wait = |seconds| Next::StartAfter(Duration::from_secs(seconds));
        assert_eq!(next, [wait(2), wait(4), wait(6), wait(8), Next::StayDown]);
    }

    #[test]
    fn a_clean_end_is_not_retried_and_a_kill_is_at_once() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.after("patroni", 0, 0), Next::StayDown);
        assert_eq!(restarts.after("patroni", 2, 0), Next::StayDown);
        assert_eq!(restarts.after("patroni", -1, 9), Next::StartAfter(Duration::ZERO));
        assert_eq!(restarts.after("patroni", -1, 11), Next::StartAfter(BACKOFF));
    }
}

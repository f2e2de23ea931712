//! The one way to wait: a probe, a limit, and the last thing seen.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// What one look at the thing waited for gave.
pub enum Seen<T> {
    /// The wait is over.
    Done(T),
    /// Not yet; the text says what was seen, and stands in the time-out's message.
    NotYet(String),
}

/// A wait that reached its limit.
#[derive(Debug, Clone, thiserror::Error)]
#[error("wait for {what}: gave up after {after:.1?}, last seen: {last}")]
pub struct TimedOut {
    /// What was waited for; fits after "wait for".
    pub what: String,
    /// How long the wait took, which can be a little less than its limit.
    pub after: Duration,
    /// Why the last look was not enough, in a few words.
    pub last: String,
}

/// Why a wait ended without its value.
#[derive(Debug, thiserror::Error)]
pub enum PollError<E> {
    /// The limit was reached.
    #[error(transparent)]
    TimedOut(TimedOut),
    /// A look failed in a way that waiting cannot mend.
    #[error(transparent)]
    Failed(E),
}

/// How long to wait, and how often to look.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// How long to wait altogether.
    pub total: Duration,
    /// The pause after the first look; each later one is half as long again.
    pub first_interval: Duration,
    /// No pause is longer.
    pub longest_interval: Duration,
}

impl Limit {
    /// Looks every 20 ms at first, then ever more rarely up to every 250 ms.
    pub const fn seconds(total: u64) -> Self {
        Limit {
            total: Duration::from_secs(total),
            first_interval: Duration::from_millis(20),
            longest_interval: Duration::from_millis(250),
        }
    }
}

/// The pauses of one wait. [`poll`] is made of it; a loop of its own needs it only where the wait is part
/// of a task that moves between threads, since nothing can say so of what an async closure gives.
#[derive(Debug)]
pub struct Patience {
    what: String,
    limit: Limit,
    start: Instant,
    interval: Duration,
}

impl Patience {
    /// Patience that begins now.
    pub fn new(what: impl fmt::Display, limit: Limit) -> Self {
        Patience { what: what.to_string(), limit, start: Instant::now(), interval: limit.first_interval }
    }

    /// Pauses before the next look.
    ///
    /// # Errors
    /// With what was last seen, at once, when the next look would be past the limit.
    pub async fn pause(&mut self, last: String) -> Result<(), TimedOut> {
        if self.start.elapsed() + self.interval > self.limit.total {
            return Err(TimedOut { what: self.what.clone(), after: self.start.elapsed(), last });
        }
        tokio::time::sleep(self.interval).await;
        self.interval = (self.interval * 3 / 2).min(self.limit.longest_interval);
        Ok(())
    }

    /// How long one look may take.
    fn left(&self) -> Duration {
        self.limit.total.saturating_sub(self.start.elapsed()).max(self.limit.first_interval)
    }
}

/// Patience with what may fail for a while, such as taking connections without a descriptor left. It begins with the first of
/// several failures in a row, however long nothing came before.
#[derive(Debug)]
pub struct Retry {
    what: &'static str,
    limit: Limit,
    failing: Option<Patience>,
}

impl Retry {
    /// Nothing has failed yet.
    pub fn new(what: &'static str, limit: Limit) -> Self {
        Retry { what, limit, failing: None }
    }

    /// The next failure begins anew.
    pub fn succeeded(&mut self) {
        self.failing = None;
    }

    /// Pauses before the next attempt.
    ///
    /// # Errors
    /// As [`Patience::pause`]; after that, waiting begins anew.
    pub async fn failed(&mut self, last: String) -> Result<(), TimedOut> {
        let patience = self.failing.get_or_insert_with(|| Patience::new(self.what, self.limit));
        let paused = patience.pause(last).await;
        if paused.is_err() {
            self.failing = None;
        }
        paused
    }
}

/// Waits for one thing that comes by itself, such as an answer.
///
/// # Errors
/// When it has not come within `limit`.
pub fn within<T>(
    what: impl fmt::Display,
    limit: Duration,
    coming: impl Future<Output = T>,
) -> impl Future<Output = Result<T, TimedOut>> {
    // Waits stand in waits; each that held the next one by value would double it on the stack.
    let coming = Box::pin(coming);
    async move {
        let late = |_| TimedOut { what: what.to_string(), after: limit, last: "no answer".to_owned() };
        tokio::time::timeout(limit, coming).await.map_err(late)
    }
}

/// Calls `probe` until it is done, fails, or the limit is reached.
///
/// # Errors
/// [`PollError::TimedOut`] with what was last seen, or the probe's own error, at once.
pub async fn poll<T, E, F>(what: impl fmt::Display, limit: Limit, mut probe: F) -> Result<T, PollError<E>>
where
    F: AsyncFnMut() -> Result<Seen<T>, E>,
{
    let mut patience = Patience::new(what, limit);
    let mut last = "nothing yet".to_owned();
    loop {
        // A probe that hangs must not outlive the limit either.
        match tokio::time::timeout(patience.left(), probe()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(seen))) => last = seen,
            Ok(Err(error)) => return Err(PollError::Failed(error)),
            Err(_) => last = format!("{last}; the last look itself did not come back"),
        }
        patience.pause(last.clone()).await.map_err(PollError::TimedOut)?;
    }
}

/// As [`within`], for work that has an error of its own, such as a query.
///
/// # Errors
/// The time-out, or the work's own error.
pub fn done_within<T, E: From<TimedOut>>(
    what: impl fmt::Display,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let done = within(what, limit, work);
    async move { done.await? }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Limit = Limit {
        total: Duration::from_millis(60),
        first_interval: Duration::from_millis(5),
        longest_interval: Duration::from_millis(10),
    };

    #[tokio::test]
    async fn gives_the_value_once_it_is_seen() {
        let mut looks = 0;
        let value = poll("the third look", SHORT, async || {
            looks += 1;
            Ok::<_, String>(if looks == 3 {
                Seen::Done(looks)
            } else {
                Seen::NotYet(format!("look {looks}"))
            })
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_time_out_says_what_was_last_seen() {
        let late =
            poll("a pod", SHORT, async || Ok::<Seen<()>, String>(Seen::NotYet("phase Pending".to_owned())));
        let message = late.await.unwrap_err().to_string();
        assert!(message.starts_with("wait for a pod: gave up after"), "{message}");
        assert!(message.ends_with("last seen: phase Pending"), "{message}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlive_the_limit() {
        let late = poll("a server", SHORT, async || std::future::pending::<Result<Seen<()>, String>>().await);
        let message = late.await.unwrap_err().to_string();
        assert!(message.contains("the last look itself did not come back"), "{message}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_named() {
        let late = within("an answer", SHORT.total, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(late.to_string(), "wait for an answer: gave up after 60.0ms, last seen: no answer");
        assert_eq!(within("an answer", SHORT.total, std::future::ready(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_never_ends_does_not_outlive_its_limit() {
        let late = done_within("an answer", SHORT.total, std::future::pending::<Result<(), TimedOut>>());
        assert_eq!(
            late.await.unwrap_err().to_string(),
            "wait for an answer: gave up after 60.0ms, last seen: no answer"
        );
    }

    #[tokio::test]
    async fn a_failure_ends_the_wait_at_once() {
        let failed = poll("a pod", Limit::seconds(60), async || Err::<Seen<()>, _>("forbidden"));
        assert_eq!(failed.await.unwrap_err().to_string(), "forbidden");
    }

    /// After a quiet night, one failure is the first of its row.
    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_from_the_first_of_their_row() {
        let mut retry = Retry::new("a connection", Limit::seconds(30));
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(300)).await;
            retry.failed("no descriptor".to_owned()).await.unwrap();
            retry.succeeded();
        }
        let since = Instant::now();
        let late = loop {
            if let Err(late) = retry.failed("no descriptor".to_owned()).await {
                break late;
            }
        };
        assert!(late.to_string().ends_with("last seen: no descriptor"), "{late}");
        assert!((20..=30).contains(&since.elapsed().as_secs()), "{late}");
        retry.failed("no descriptor".to_owned()).await.unwrap();
    }
}

//! Saying every second what is waited for, for how long, and of how long.

use std::time::{Duration, Instant};

/// Does `work`, and tells once a second that it goes on.
pub(super) async fn ticking<T>(
    what: &str,
    limit: Option<Duration>,
    told: &(dyn Fn(String) + Sync),
    work: impl Future<Output = T>,
) -> T {
    ticking_as(&|| what.to_owned(), limit, told, work).await
}

/// The same of something whose name changes while it goes on.
pub(super) async fn ticking_as<T>(
    what: &(dyn Fn() -> String + Sync),
    limit: Option<Duration>,
    told: &(dyn Fn(String) + Sync),
    work: impl Future<Output = T>,
) -> T {
    let begin = Instant::now();
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let of = limit.map(|limit| format!(" of {limit:.0?}")).unwrap_or_default();
                told(format!("{}: {:.0?}{of}", what(), begin.elapsed()));
            }
        }
    }
}

//! So many drills at the same time, and their reports in the order in which they were asked for.

use futures::StreamExt;

/// Each next one begins as soon as any other is done.
pub(super) async fn side_by_side<T, R, F: Future<Output = R>>(
    asked: impl IntoIterator<Item = T>,
    slots: usize,
    work: impl Fn(T) -> F,
) -> Vec<R> {
    let started = asked.into_iter().enumerate().map(|(place, one)| {
        let work = work(one);
        async move { (place, work.await) }
    });
    let mut done: Vec<(usize, R)> = futures::stream::iter(started).buffer_unordered(slots).collect().await;
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;
    use crate::poll::within;

    #[tokio::test]
    async fn a_slow_one_at_the_head_holds_up_nobody_and_stays_at_the_head_of_the_report() {
        // The first ends only once the last has begun: with two slots the last must take the second's.
        let last_began = Notify::new();
        let work = async |number: usize| {
            match number {
                0 => last_began.notified().await,
                3 => last_began.notify_one(),
                _ => {}
            }
            number * 10
        };
        let done = within("all four", Duration::from_secs(10), side_by_side(0..4, 2, work)).await;
        assert_eq!(done.unwrap(), [0, 10, 20, 30]);
    }
}

//! The base backup that Spilo takes by itself once a cluster runs. It is waited for from the moment that its script was called:
//! Spilo looks only once a minute whether the cluster runs.

use std::time::Duration;

use super::error::DrillError;
use super::world::{Cluster, World};
use crate::environment::Environment;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::spilo::pauses;

/// Time for Spilo's look itself, for the container's start and for a machine that is busy.
const SLACK: Duration = Duration::from_secs(30);

/// Until the script is called. Looking reads the logs, which have no more to say within less.
pub(super) const CALLED: Limit = Limit {
    total: pauses::LOOKS_FOR_PRIMARY.saturating_add(SLACK),
    first_interval: Duration::from_millis(20),
    longest_interval: Duration::from_millis(500),
};

/// From then on: a base backup of a scenario's data takes a second or two.
pub(super) const COMPLETE: Limit = Limit::seconds(60);

/// Whether a cluster is backed up from a replica. It takes no backup by itself then: the script is called on the primary,
/// where it declines.
pub(super) fn is_from_replica(cluster: &Cluster) -> bool {
    let value = cluster.env.as_ref().and_then(|env| env.value("WALG_BACKUP_FROM_REPLICA"));
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl<E: Environment> World<'_, E> {
    /// Waits until the script of the first base backup was called in each of these clusters.
    ///
    /// # Errors
    /// When one has not called it long after Spilo should have.
    pub(super) async fn first_backups_called(&self, shorts: &[&str]) -> Result<(), PollError<DrillError>> {
        let mut waiting: Vec<&str> = shorts.to_vec();
        let what = format!("the script of the first base backup of {} to be called", shorts.join(", "));
        poll(what, CALLED, async || {
            let mut still = Vec::new();
            for short in &waiting {
                if !self.printed(short).await?.iter().any(|log| was_called(&log.text)) {
                    still.push(*short);
                }
            }
            waiting = still;
            Ok(match waiting.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("no line `{}` of {waiting:?}", pauses::BACKUP_WAS_CALLED)),
            })
        })
        .await
    }
}

fn was_called(log: &str) -> bool {
    log.contains(pauses::BACKUP_WAS_CALLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_says_that_it_was_called() {
        let line = "2026-11-24 03:00:00.123 - /scripts/postgres_backup.sh - I was called as: \
                    /scripts/postgres_backup.sh /home/postgres/pgdata/pgroot/data";
        assert!(was_called(line));
        assert!(!was_called(
            "2026-11-24 03:00:00,123 INFO: no action. I am (acid-orders-0), the leader with the lock"
        ));
    }

    #[test]
    fn the_wait_for_the_first_backup_is_longer_than_spilos_pause_before_it() {
        assert!(CALLED.total > pauses::LOOKS_FOR_PRIMARY + pauses::ASKS_FOR_META_DATA);
    }
}

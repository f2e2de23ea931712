//! How long Spilo and Patroni pause by themselves. Whoever waits for one of them has a limit that is longer.
//!
//! Each with its source: a script of Spilo's repository (4.0-p3, and the same since 3.0-p1), or a setting in its template of
//! Patroni's configuration.

use std::time::Duration;

/// Between two looks whether this node is the primary by now, before the first base backup: `patroni_wait.sh`, whose
/// interval `launch.sh` leaves as it is. A cluster that is primary after 10 s is backed up after 60 s.
pub const LOOKS_FOR_PRIMARY: Duration = Duration::from_secs(60);

/// After so long no first base backup is begun any more: `launch.sh`.
pub const GIVES_FIRST_BACKUP_UP: Duration = Duration::from_secs(3600);

/// Before Patroni is started again after its first failure, its second, …: `runit/patroni/finish`. Then never.
pub const RESTARTS: [Duration; 4] =
    [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(90), Duration::from_secs(120)];

/// Between two looks whether a clone's recovery has ended: `maybe_pg_upgrade.py`.
pub const LOOKS_FOR_END_OF_RECOVERY: Duration = Duration::from_secs(10);

/// How long a new primary's callback waits for its promotion: `on_role_change.sh`.
pub const WAITS_FOR_PROMOTION: Duration = Duration::from_secs(30);

/// How long the cloud's own address is asked who runs this machine, where nobody answers: `configure_spilo.py`.
pub const ASKS_FOR_META_DATA: Duration = Duration::from_secs(2);

/// Between Patroni's rounds: `loop_wait`.
pub const PATRONI_LOOKS: Duration = Duration::from_secs(10);

/// How long a leader that is silent stays the leader: `ttl`.
pub const LEADER_KEY_LASTS: Duration = Duration::from_secs(30);

/// What the script of the base backup says first: `postgres_backup.sh`. The first one writes into the container's log, those
/// of the schedule nowhere.
pub const BACKUP_WAS_CALLED: &str = "I was called as: /scripts/postgres_backup.sh";

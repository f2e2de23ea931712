//! Which base backups are deleted before a new one is pushed, as Spilo did it until 4.0-p2.

use jiff::{SignedDuration, Timestamp};

use crate::spilo::backup_list::Backup;
use crate::spilo::retention;

/// The backup before which all others are deleted: the newest of those that are so many days old, where at least as many
/// younger ones are left. None where nothing is deleted; nothing is said then.
pub(super) fn to_delete(backups: &[Backup], retain: &str, now: Timestamp) -> Option<String> {
    let days = retention::kept(retain)?;
    let whole_days = i64::try_from(days).unwrap_or(i64::MAX / 24);
    let is_old = |backup: &&Backup| {
        now.duration_since(backup.last_modified) >= SignedDuration::from_hours(24 * whole_days)
    };
    let (old, young): (Vec<&Backup>, Vec<&Backup>) = backups.iter().partition(is_old);
    let newest = old.into_iter().max_by_key(|backup| backup.last_modified)?;
    (young.len() >= days).then(|| newest.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(ages: &[i64], retain: &str) -> Option<String> {
        let now: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let backup = |days: &i64| Backup {
            name: format!("{days}d"),
            last_modified: now - SignedDuration::from_hours(24 * days),
            wal_segment: None,
        };
        to_delete(&ages.iter().map(backup).collect::<Vec<_>>(), retain, now)
    }

    #[test]
    fn enough_young_ones_must_be_left_before_old_ones_are_deleted() {
        assert_eq!(before(&[0, 1, 2, 3, 4, 5, 6], "5").as_deref(), Some("5d"));
        assert_eq!(before(&[0, 1, 2, 3, 6, 7], "5"), None, "four are young");
        assert_eq!(before(&[10, 20, 30], "2"), None, "none is young");
        assert_eq!(before(&[0, 1, 9], "1").as_deref(), Some("9d"), "two days and two backups are the least");
        assert_eq!(before(&[0, 1, 9], "1d"), None, "the script cannot count with it");
        assert_eq!(before(&[], "5"), None);
    }
}

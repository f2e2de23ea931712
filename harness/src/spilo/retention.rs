//! `BACKUP_NUM_TO_RETAIN`: which backups Spilo deletes after it has taken one.

use jiff::{SignedDuration, Timestamp};

use super::backup_list::Backup;

/// Spilo keeps two backups and two days, whatever it is told.
pub const LEAST: usize = 2;

/// The backup before which all others are deleted, or why none is.
///
/// # Errors
/// With why none is deleted, in Spilo's words.
pub fn to_delete(backups: Vec<Backup>, retain: &str, now: Timestamp) -> Result<String, String> {
    let retain = kept(retain);
    let total = backups.len();
    let before = oldest_kept(backups, retain, now)
        .ok_or_else(|| format!("No backups older than {retain} days found, not deleting any"))?;
    if total <= retain {
        return Err(format!("There are only {total} backups, not deleting any"));
    }
    Ok(before)
}

/// How many backups and days a `BACKUP_NUM_TO_RETAIN` keeps: what is no number, or below two, keeps two.
pub fn kept(retain: &str) -> usize {
    retain.trim().parse().unwrap_or(0).max(LEAST)
}

/// The newest backup that is `retain` days old and has `retain - 1` newer ones.
fn oldest_kept(mut backups: Vec<Backup>, retain: usize, now: Timestamp) -> Option<String> {
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.last_modified));
    let days = i64::try_from(retain).unwrap_or(i64::MAX);
    let age = |backup: &Backup| now.duration_since(backup.last_modified);
    let old = |backup: &&Backup| age(backup) >= SignedDuration::from_hours(24 * days);
    backups.iter().skip(retain - 1).find(old).map(|backup| backup.name.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-01-10T00:00:00Z";

    /// Backups of these ages in days, named after them.
    fn of_ages(ages: &[i64]) -> Vec<Backup> {
        let now: Timestamp = NOW.parse().unwrap();
        let backup = |days: &i64| Backup {
            name: format!("{days}d"),
            last_modified: now - SignedDuration::from_hours(24 * days),
            wal_segment: None,
        };
        ages.iter().map(backup).collect()
    }

    fn before(ages: &[i64], retain: &str) -> Result<String, String> {
        to_delete(of_ages(ages), retain, NOW.parse().unwrap())
    }

    #[test]
    fn at_least_so_many_backups_and_days_are_kept() {
        let none_older = |days| Err(format!("No backups older than {days} days found, not deleting any"));
        assert_eq!(before(&[0, 1, 2, 3, 4, 5, 6], "5").as_deref(), Ok("5d"));
        assert_eq!(before(&[6, 0, 5, 1, 4, 2, 3], "5").as_deref(), Ok("5d"));
        assert_eq!(before(&[0, 0, 0, 0, 0, 0], "5"), none_older(5), "all are young");
        assert_eq!(before(&[10, 20, 30], "5"), none_older(5), "there are only three");
        let just_enough = Err("There are only 5 backups, not deleting any".to_owned());
        assert_eq!(before(&[10, 20, 30, 40, 50], "5"), just_enough);
        assert_eq!(before(&[10, 20, 30], "2").as_deref(), Ok("20d"));
    }

    #[test]
    fn two_backups_and_two_days_are_the_least_that_is_kept() {
        for retain in ["1", "0", "", "many"] {
            assert_eq!(before(&[10, 20, 30], retain).as_deref(), Ok("20d"), "{retain}");
            let young = Err("No backups older than 2 days found, not deleting any".to_owned());
            assert_eq!(before(&[0, 1, 1], retain), young, "{retain}");
        }
    }
}

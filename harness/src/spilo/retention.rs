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
    let Some(retain) = kept(retain) else {
        return Err(format!("No backups older than {retain} days found, not deleting any"));
    };
    let total = backups.len();
    let before = oldest_kept(backups, retain, now)
        .ok_or_else(|| format!("No backups older than {retain} days found, not deleting any"))?;
    if total <= retain {
        return Err(format!("There are only {total} backups, not deleting any"));
    }
    Ok(before)
}

/// How many backups and days a `BACKUP_NUM_TO_RETAIN` keeps, at least two; none where Spilo's shell script cannot count with it,
/// and so never deletes a backup.
pub fn kept(retain: &str) -> Option<usize> {
    let number = sum(retain.trim())?;
    Some(usize::try_from(number).unwrap_or(0).max(LEAST))
}

/// What the shell counts: numbers, and words for 0, added and subtracted. Anything else is taken for an error.
fn sum(text: &str) -> Option<i64> {
    let (mut total, mut sign, mut term) = (0_i64, 1, String::new());
    for symbol in text.chars().chain(['+']) {
        if !matches!(symbol, '+' | '-') {
            term.push(symbol);
            continue;
        }
        total = total.checked_add(sign * counted(term.trim())?)?;
        sign = if symbol == '-' { -1 } else { 1 };
        term.clear();
    }
    Some(total)
}

/// A leading zero makes a number octal, so that `08` is an error; a word is a variable that is not set.
fn counted(term: &str) -> Option<i64> {
    if let Some(digits) = term.strip_prefix("0x").or_else(|| term.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    let mut symbols = term.chars();
    match symbols.next() {
        None => Some(0),
        Some('0') if term.len() > 1 => i64::from_str_radix(term, 8).ok(),
        Some(first) if first.is_ascii_digit() => term.parse().ok(),
        Some(first) => {
            let is_word = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_';
            (is_word(first) && symbols.all(is_word)).then_some(0)
        }
    }
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
    fn what_the_script_cannot_count_with_deletes_nothing() {
        for retain in ["30d", "5.5", "08", "5 6", "@daily"] {
            let none = Err(format!("No backups older than {retain} days found, not deleting any"));
            assert_eq!(before(&[10, 20, 30, 40], retain), none, "{retain}");
        }
        for (retain, count) in [
            ("7", 7),
            (" 7 ", 7),
            ("010", 8),
            ("0x10", 16),
            ("7-days", 7),
            ("-3", 2),
            ("all", 2),
            ("ten-days", 2),
        ] {
            assert_eq!(kept(retain), Some(count), "{retain}");
        }
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

//! What `wal-g backup-list` prints, and which backup a clone starts from.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub name: String,
    pub last_modified: Timestamp,
    /// The first WAL segment that it needs, where the list says so.
    pub wal_segment: Option<String>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Unknown string format: {0}")]
pub struct BadTime(String);

/// Reads the list. WAL-G prints other lines before the header, and aligns columns with blanks.
///
/// # Errors
/// When a backup's time cannot be read.
pub fn parse(output: &str) -> Result<Vec<Backup>, BadTime> {
    output
        .lines()
        .skip_while(|line| !is_header(line))
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?, words.next()))
        })
        .map(|(name, time, segment)| {
            Ok(Backup {
                name: name.to_owned(),
                last_modified: time.parse().map_err(|_| BadTime(time.to_owned()))?,
                wal_segment: segment.map(str::to_owned),
            })
        })
        .collect()
}

/// `name modified …`, `name last_modified …`, and both with `backup_name`.
fn is_header(line: &str) -> bool {
    let mut words = line.split_whitespace();
    !line.starts_with(char::is_whitespace)
        && matches!(words.next(), Some("name" | "backup_name"))
        && matches!(words.next(), Some("modified" | "last_modified"))
        && words.next().is_some()
}

/// The newest backup that is strictly older than the target.
pub fn newest_before(backups: &[Backup], target: Timestamp) -> Option<&Backup> {
    // Of two with the same time the first one wins, hence the reversed order.
    backups
        .iter()
        .rev()
        .filter(|backup| backup.last_modified < target)
        .max_by_key(|backup| backup.last_modified)
}

/// A target time as a person may write it; without a time zone it is an error.
///
/// # Errors
/// With Spilo's words, when the text is no time or has no time zone.
pub fn parse_target(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.trim().parse::<Timestamp>() {
        return Ok(time);
    }
    match text.trim().parse::<DateTime>() {
        Ok(_) => Err("recovery target time must contain a timezone".to_owned()),
        Err(_) => Err(format!("Unknown string format: {text}")),
    }
}

/// A time as Python shows it, which is how it stands in Spilo's messages.
pub fn python_time(text: &str, time: Timestamp) -> String {
    let offset = jiff::fmt::temporal::Pieces::parse(text.trim())
        .ok()
        .and_then(|pieces| pieces.to_numeric_offset())
        .unwrap_or(jiff::tz::Offset::UTC);
    let zoned = time.to_zoned(TimeZone::fixed(offset));
    let fraction = if zoned.subsec_nanosecond() / 1000 == 0 { "" } else { ".%6f" };
    zoned.strftime(&format!("%Y-%m-%d %H:%M:%S{fraction}%:z")).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIST: &str = "INFO: 2026/01/01 some other line
name                          modified             wal_segment_backup_start
base_000000010000000000000002 2026-01-01T10:00:00Z 000000010000000000000002
base_000000010000000000000006 2026-01-01T12:00:00Z 000000010000000000000006
base_000000010000000000000004 2026-01-01T11:00:00Z 000000010000000000000004
";

    fn chosen(target: &str) -> Option<String> {
        let backups = parse(LIST).unwrap();
        newest_before(&backups, target.parse().unwrap()).map(|backup| backup.name.clone())
    }

    #[test]
    fn every_header_of_wal_g_is_known() {
        for header in
            ["name modified wal", "name last_modified wal", "backup_name modified wal_file_name storage"]
        {
            let list = format!("noise\n{header}\nbase_1 2026-01-01T10:00:00Z 0001\n");
            let backup = &parse(&list).unwrap()[0];
            assert_eq!((backup.name.as_str(), backup.wal_segment.as_deref()), ("base_1", Some("0001")));
        }
        assert_eq!(parse("No backups found\n").unwrap(), []);
        assert_eq!(parse("name modified x\nbase_1 yesterday 1\n").unwrap_err(), BadTime("yesterday".into()));
    }

    #[test]
    fn the_newest_strictly_before_the_target_is_chosen() {
        assert_eq!(chosen("2026-01-01T12:00:01Z").as_deref(), Some("base_000000010000000000000006"));
        assert_eq!(chosen("2026-01-01T12:00:00Z").as_deref(), Some("base_000000010000000000000004"));
        assert_eq!(chosen("2026-01-01T11:00:01+00:00").as_deref(), Some("base_000000010000000000000004"));
        assert_eq!(chosen("2026-01-01T12:00:00+02:00"), None);
        assert_eq!(chosen("2026-01-01T10:00:00Z"), None);
    }

    #[test]
    fn a_target_needs_a_time_zone() {
        for text in ["2026-01-01T12:00:00+01:00", "2026-01-01 11:00:00+00", "2026-01-01T11:00:00Z"] {
            assert_eq!(parse_target(text).unwrap(), "2026-01-01T11:00:00Z".parse().unwrap(), "{text}");
        }
        let naive = parse_target("2026-01-01 11:00:00").unwrap_err();
        assert_eq!(naive, "recovery target time must contain a timezone");
        assert_eq!(parse_target("soon").unwrap_err(), "Unknown string format: soon");
    }

    #[test]
    fn times_are_shown_as_python_shows_them() {
        let shown = |text: &str| python_time(text, parse_target(text).unwrap());
        assert_eq!(shown("2026-01-01T12:00:00+01:00"), "2026-01-01 12:00:00+01:00");
        assert_eq!(shown("2026-01-01T12:00:00.5Z"), "2026-01-01 12:00:00.500000+00:00");
    }
}

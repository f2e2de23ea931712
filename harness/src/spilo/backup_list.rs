//! What `wal-g backup-list` prints, and which backup a clone starts from.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use regex::Regex;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Such as `base_000000010000000000000002`.
    pub name: String,
    /// When its last file was written: the time that Spilo chooses by.
    pub last_modified: Timestamp,
    /// The first WAL segment that it needs, where the list says so.
    pub wal_segment: Option<String>,
}

/// A time of the list that is none; in the words of Spilo's script.
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
    read_target(text).map(|(time, _)| time)
}

/// A time as Python shows it, which is how it stands in Spilo's messages.
pub fn python_time(text: &str, time: Timestamp) -> String {
    let offset = read_target(text).map_or(Offset::UTC, |(_, offset)| offset);
    let zoned = time.to_zoned(TimeZone::fixed(offset));
    let fraction = if zoned.subsec_nanosecond() / 1000 == 0 { "" } else { ".%6f" };
    zoned.strftime(&format!("%Y-%m-%d %H:%M:%S{fraction}%:z")).to_string()
}

/// The forms that Spilo takes, by Python's dateutil: dates with `-` or `/` or a month's name, a time of day, and an offset
/// or one of the names of UTC. No leap second, and no zone in brackets.
static TARGET: LazyLock<Regex> = LazyLock::new(|| {
    let date = r"(?:(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})|(?P<name>[A-Za-z]{3})[a-z]* (?P<named_day>\d{1,2}),? (?P<named_year>\d{4}))";
    let time = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?";
    let zone = r"(?P<utc>UTC|GMT|[Zz])|(?P<sign>[+-])(?P<hours>\d{2})(?::?(?P<minutes>\d{2}))?";
    Regex::new(&format!(r"^{date}[Tt ]\s*{time}\s*(?:{zone})?$")).expect("a constant, and tested")
});

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn read_target(text: &str) -> Result<(Timestamp, Offset), String> {
    let unknown = || format!("Unknown string format: {text}");
    let found = TARGET.captures(text.trim()).ok_or_else(unknown)?;
    let number = |name: &str| found.name(name).and_then(|digits| digits.as_str().parse::<i16>().ok());
    let small = |name: &str| number(name).and_then(|number| i8::try_from(number).ok());
    let named = found.name("name").map(|name| name.as_str().to_lowercase());
    let named = named.and_then(|name| MONTHS.iter().position(|month| *month == name));
    let month = small("month").or_else(|| i8::try_from(named? + 1).ok()).ok_or_else(unknown)?;
    let year = number("year").or(number("named_year")).ok_or_else(unknown)?;
    let day = small("day").or(small("named_day")).ok_or_else(unknown)?;
    let (hour, minute) = (small("hour").unwrap_or(0), small("minute").unwrap_or(0));
    let second = small("second").unwrap_or(0);
    if second > 59 {
        return Err(format!("second must be in 0..59: {text}"));
    }
    let fraction = found.name("fraction").map_or("", |digits| digits.as_str());
    let nanoseconds = format!("{fraction:0<9}").parse::<i32>().unwrap_or(0);
    let civil = DateTime::new(year, month, day, hour, minute, second, nanoseconds).map_err(|_| unknown())?;
    let offset = match (found.name("utc"), found.name("sign")) {
        (Some(_), _) => Offset::UTC,
        (None, Some(sign)) => {
            let seconds = 3600 * i32::from(number("hours").unwrap_or(0))
                + 60 * i32::from(number("minutes").unwrap_or(0));
            let seconds = if sign.as_str() == "-" { -seconds } else { seconds };
            Offset::from_seconds(seconds).map_err(|_| unknown())?
        }
        (None, None) => return Err("recovery target time must contain a timezone".to_owned()),
    };
    let time = offset.to_timestamp(civil).map_err(|_| unknown())?;
    Ok((time, offset))
}

#[cfg(test)]
mod tests {
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
    fn a_target_has_the_forms_that_spilo_takes_and_no_others() {
        for (text, time) in [
            ("2026-11-23 10:30:00 UTC", "2026-11-23T10:30:00Z"),
            ("2026-11-23 10:30:00.25 GMT", "2026-11-23T10:30:00.25Z"),
            ("2026-11-23 10:30 -05:30", "2026-11-23T16:00:00Z"),
            ("2026/11/23 10:30:00+00:00", "2026-11-23T10:30:00Z"),
            ("Nov 23 2026 10:30 UTC", "2026-11-23T10:30:00Z"),
            ("2026-11-23t10:30:00z", "2026-11-23T10:30:00Z"),
        ] {
            assert_eq!(parse_target(text).unwrap(), time.parse().unwrap(), "{text}");
        }
        for (text, why) in [
            ("2026-11-23T10:30:60+00:00", "second must be in 0..59: 2026-11-23T10:30:60+00:00"),
            ("2026-11-23T10:30:00+00:00[UTC]", "Unknown string format: 2026-11-23T10:30:00+00:00[UTC]"),
            ("2026-13-23 10:30 UTC", "Unknown string format: 2026-13-23 10:30 UTC"),
            ("2026/11/23 10:30", "recovery target time must contain a timezone"),
        ] {
            assert_eq!(parse_target(text).unwrap_err(), why);
        }
    }

    #[test]
    fn times_are_shown_as_python_shows_them() {
        let shown = |text: &str| python_time(text, parse_target(text).unwrap());
        assert_eq!(shown("2026-01-01T12:00:00+01:00"), "2026-01-01 12:00:00+01:00");
        assert_eq!(shown("2026-01-01T12:00:00.5Z"), "2026-01-01 12:00:00.500000+00:00");
    }
}

//! `BACKUP_SCHEDULE`: when cron takes base backups in Spilo.

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// A `BACKUP_SCHEDULE` that cron would not take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("understand the backup schedule \"{0}\": it should be five fields of cron, or @daily and the like")]
pub struct BadSchedule(String);

/// Five fields of cron; each holds the values that match.
#[derive(Debug)]
pub struct Schedule {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Vec<i8>,
    months: Vec<i8>,
    /// 0 and 7 are Sunday.
    weekdays: Vec<i8>,
    /// Where both days and weekdays are restricted, either suffices.
    either_day: bool,
}

impl Schedule {
    /// Reads five fields of cron.
    ///
    /// # Errors
    /// When they are not five, or one is out of its range.
    pub fn parse(text: &str) -> Result<Self, BadSchedule> {
        let bad = || BadSchedule(text.to_owned());
        let fields: Vec<&str> = nickname(text.trim()).unwrap_or(text).split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return Err(bad()) };
        let named = |field, lowest, highest, names| values(field, lowest, highest, names).ok_or_else(bad);
        let field = |field, lowest, highest| named(field, lowest, highest, &[]);
        Ok(Schedule {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: named(months, 1, 12, &MONTHS)?,
            weekdays: named(weekdays, 0, 7, &WEEKDAYS)?.into_iter().map(|day| day % 7).collect(),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// The first minute after this time that matches; `None` for one that never comes, as 30 February.
    pub fn after(&self, now: DateTime) -> Option<DateTime> {
        let start = now.with().second(0).subsec_nanosecond(0).build().ok()?;
        let mut day = start.date();
        // Eight years hold every day of the calendar, 29 February across a year that skips it too.
        for _ in 0..=(8 * 366) {
            if self.matches_day(day) {
                for (hour, minute) in
                    self.hours.iter().flat_map(|h| self.minutes.iter().map(move |m| (*h, *m)))
                {
                    let time = day.at(hour, minute, 0, 0);
                    if time > start {
                        return Some(time);
                    }
                }
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }

    /// The time of the oldest of so many last runs; `None` where four years hold fewer.
    pub fn last(&self, now: Timestamp, runs: usize) -> Option<Timestamp> {
        let now = now.to_zoned(TimeZone::UTC).datetime();
        // Every minute or once a year: the window grows until it holds them.
        [1, 8, 64, 512, 4 * 366].into_iter().find_map(|days| {
            let start = now.checked_sub(days.days()).ok()?;
            let times: Vec<DateTime> = std::iter::successors(self.after(start), |time| self.after(*time))
                .take_while(|time| *time <= now)
                .collect();
            let oldest = times.len().checked_sub(runs.max(1)).and_then(|at| times.get(at))?;
            oldest.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
        })
    }

    fn matches_day(&self, date: jiff::civil::Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        self.months.contains(&date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Cron's short names. Not `@reboot`: when cron starts there is no PostgreSQL to back up.
fn nickname(text: &str) -> Option<&'static str> {
    Some(match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return None,
    })
}

/// `*`, `a`, `a-b`, each with `/step`, joined by commas; in ascending order. The names stand for numbers from `lowest` on.
fn values(field: &str, lowest: i8, highest: i8, names: &[&str]) -> Option<Vec<i8>> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        text.parse().ok().or_else(|| Some(lowest + i8::try_from(named?).ok()?))
    };
    let mut found = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (lowest, highest),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            (single, None) => {
                let single = number(single)?;
                (single, if part.contains('/') { highest } else { single })
            }
        };
        if first < lowest || last > highest || first > last {
            return None;
        }
        found.extend((first..=last).step_by(step));
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str) -> String {
        Schedule::parse(schedule).unwrap().after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_found() {
        // 1 January 2026 is a Thursday.
        assert_eq!(next("0 1 * * *", "2026-01-01T00:59:59"), "2026-01-01T01:00:00");
        assert_eq!(next("0 1 * * *", "2026-01-01T01:00:00"), "2026-01-02T01:00:00");
        assert_eq!(next("*/15 * * * *", "2026-01-01T10:15:30"), "2026-01-01T10:30:00");
        assert_eq!(next("5,10 22-23 * * *", "2026-01-01T22:10:00"), "2026-01-01T23:05:00");
        assert_eq!(next("0 0 * * 7", "2026-01-01T00:00:00"), "2026-01-04T00:00:00");
        assert_eq!(next("0 0 15 * 1", "2026-01-01T00:00:00"), "2026-01-05T00:00:00");
        assert_eq!(next("0 0 * * Sun", "2026-01-01T00:00:00"), "2026-01-04T00:00:00");
        assert_eq!(next("0 0 * MAR-apr mon", "2026-01-01T00:00:00"), "2026-03-02T00:00:00");
        assert_eq!(next("0 0 29 2 *", "2026-03-01T00:00:00"), "2028-02-29T00:00:00");
    }

    #[test]
    fn crons_short_names_are_known() {
        for (name, time) in [
            ("@hourly", "2026-01-02T13:00:00"),
            ("@daily", "2026-01-03T00:00:00"),
            ("@midnight", "2026-01-03T00:00:00"),
            ("@weekly", "2026-01-04T00:00:00"),
            ("@monthly", "2026-02-01T00:00:00"),
            ("@yearly", "2027-01-01T00:00:00"),
            ("@annually", "2027-01-01T00:00:00"),
        ] {
            assert_eq!(next(name, "2026-01-02T12:30:00"), time, "{name}");
        }
    }

    #[test]
    fn the_last_runs_are_found() {
        let last = |schedule: &str, runs| {
            Schedule::parse(schedule)
                .unwrap()
                .last("2026-01-10T12:00:00Z".parse().unwrap(), runs)
                .map(|time| time.to_string())
        };
        assert_eq!(last("0 1 * * *", 5).unwrap(), "2026-01-06T01:00:00Z");
        assert_eq!(last("*/15 * * * *", 1).unwrap(), "2026-01-10T12:00:00Z");
        assert_eq!(last("0 0 1 * *", 2).unwrap(), "2025-12-01T00:00:00Z");
        assert_eq!(last("0 0 30 2 *", 1), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "@reboot",
            "0 0 * * jan",
            "0 0 * sunday *",
            "0 1 * *",
            "60 * * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
        ] {
            assert_eq!(Schedule::parse(text).unwrap_err(), BadSchedule(text.to_owned()));
        }
        assert_eq!(
            Schedule::parse("0 0 30 2 *").unwrap().after("2026-01-01T00:00:00".parse().unwrap()),
            None
        );
    }
}

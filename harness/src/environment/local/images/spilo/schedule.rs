//! `BACKUP_SCHEDULE`: base backups by the clock, as cron takes them in Spilo.
//!
//! Spilo's other cron jobs (`CRONTAB`, log shipping, renice, certificate reload) are not run.

use std::process::Command;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::first_backup::run_backup;
use super::log::Voice;
use super::settings::Settings;

/// Takes a base backup at each time of the schedule, for ever. Cron gives its jobs nothing but a `PATH`.
pub async fn run(settings: &Settings) {
    let text = settings.text("BACKUP_SCHEDULE");
    let schedule = match Schedule::parse(text) {
        Ok(schedule) => schedule,
        Err(error) => return Voice::Bootstrapping.error(format_args!("failed to {error}")),
    };
    loop {
        let now = Timestamp::now().to_zoned(TimeZone::UTC).datetime();
        let Some(next) = schedule.after(now) else { return };
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        tokio::time::sleep_until(tokio::time::Instant::now() + wait).await;
        let mut command = Command::new("envdir");
        command.args([settings.text("WALE_ENV_DIR"), "/scripts/postgres_backup.sh", settings.text("PGDATA")]);
        command.env_clear().env("PATH", settings.text("PATH")).env("HOME", "/home/postgres");
        run_backup(command).await;
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("understand the backup schedule \"{0}\": it should be five fields of cron")]
struct BadSchedule(String);

/// Five fields of cron; each holds the values that match.
#[derive(Debug)]
struct Schedule {
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
    fn parse(text: &str) -> Result<Self, BadSchedule> {
        let bad = || BadSchedule(text.to_owned());
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return Err(bad()) };
        let field = |field, lowest, highest| values(field, lowest, highest).ok_or_else(bad);
        Ok(Schedule {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            weekdays: field(weekdays, 0, 7)?.into_iter().map(|day| day % 7).collect(),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// The first minute after this time that matches; `None` for one that never comes, as 30 February.
    fn after(&self, now: DateTime) -> Option<DateTime> {
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

    fn matches_day(&self, date: jiff::civil::Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        self.months.contains(&date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

/// `*`, `a`, `a-b`, each with `/step`, joined by commas; in ascending order.
fn values(field: &str, lowest: i8, highest: i8) -> Option<Vec<i8>> {
    let mut found = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (lowest, highest),
            (_, Some((first, last))) => (first.parse().ok()?, last.parse().ok()?),
            (single, None) => {
                let single = single.parse().ok()?;
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
    #![allow(clippy::unwrap_used)]
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
        assert_eq!(next("0 0 29 2 *", "2026-03-01T00:00:00"), "2028-02-29T00:00:00");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "0 1 * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "a * * * *"] {
            assert_eq!(Schedule::parse(text).unwrap_err(), BadSchedule(text.to_owned()));
        }
        assert_eq!(
            Schedule::parse("0 0 30 2 *").unwrap().after("2026-01-01T00:00:00".parse().unwrap()),
            None
        );
    }
}

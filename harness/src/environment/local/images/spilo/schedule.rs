//! `BACKUP_SCHEDULE`: base backups by the clock, as cron takes them in Spilo.
//!
//! Spilo's other cron jobs (`CRONTAB`, log shipping, renice, certificate reload) are not run.

use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::first_backup::{backup, run_backup};
use crate::spilo::{Schedule, Settings, Variables};

/// Takes a base backup at each time of the schedule, for ever.
pub(super) async fn run(settings: &Settings) {
    let text = settings.text("BACKUP_SCHEDULE");
    if text.trim() == AT_START {
        // Cron starts with the container, and then there is no server: the script finds none, and that is all.
        return run_backup(job(settings)).await;
    }
    let schedule = match Schedule::parse(text) {
        Ok(schedule) => schedule,
        // Cron's own words: it takes none of the crontab then.
        Err(_) => return eprintln!("errors in crontab file, can't install."),
    };
    loop {
        let now = Timestamp::now().to_zoned(TimeZone::UTC).datetime();
        let Some(next) = schedule.after(now) else { return };
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        tokio::time::sleep_until(tokio::time::Instant::now() + wait).await;
        run_backup(job(settings)).await;
    }
}

/// Cron's word for the moment in which it is started.
const AT_START: &str = "@reboot";

/// What cron runs. Its output goes nowhere: Spilo's cron would mail it, and there is no mail.
fn job(settings: &Settings) -> Command {
    let mut command = backup(settings, &variables(settings));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Cron gives its jobs nothing of the pod's environment but the `PATH` that stands in Spilo's crontab.
fn variables(settings: &Settings) -> Variables {
    [
        ("HOME", "/home/postgres"),
        ("LOGNAME", "postgres"),
        ("SHELL", "/bin/sh"),
        ("PATH", settings.text("PATH")),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_gives_the_backup_a_path_and_the_libraries_but_nothing_of_the_pod() {
        let pod = [
            ("PATH", "/opt/bin:/bin"),
            ("AZURE_STORAGE_ACCESS_KEY", "k"),
            ("LC_ALL", "C"),
            ("PGDATA", "/data"),
        ];
        let command = job(&Settings::of(pod.into_iter().collect(), 1));
        let pairs =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()));
        let given: Vec<String> =
            pairs.map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(given, ["HOME=/home/postgres", "LOGNAME=postgres", "PATH=/opt/bin:/bin", "SHELL=/bin/sh"]);
    }
}

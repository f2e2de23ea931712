//! `BACKUP_SCHEDULE`: base backups by the clock, as cron takes them in Spilo.
//!
//! Spilo's other cron jobs (`CRONTAB`, log shipping, renice, certificate reload) are not run.

use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::first_backup::{backup, run_backup};
use super::log::Voice;
use crate::spilo::{Schedule, Settings, Variables};

/// Takes a base backup at each time of the schedule, for ever.
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
        run_backup(job(settings)).await;
    }
}

/// What cron runs. Its output goes nowhere: Spilo's cron would mail it, and there is no mail.
fn job(settings: &Settings) -> Command {
    let mut command = backup(settings, &variables(settings));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Cron gives its jobs nothing of the pod's environment but the `PATH` that stands in Spilo's crontab.
fn variables(settings: &Settings) -> Variables {
    let mut variables: Variables = [
        ("HOME", "/home/postgres"),
        ("LOGNAME", "postgres"),
        ("SHELL", "/bin/sh"),
        ("PATH", settings.text("PATH")),
    ]
    .into_iter()
    .collect();
    // Not in Spilo: a PostgreSQL that was unpacked from packages finds its libraries by it.
    if let Some(lib) = settings.variables.set("LD_LIBRARY_PATH") {
        variables.put("LD_LIBRARY_PATH", lib);
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_gives_the_backup_a_path_and_the_libraries_but_nothing_of_the_pod() {
        let given = |more: &[(&str, &str)]| {
            let pod = [
                ("PATH", "/opt/bin:/bin"),
                ("AZURE_STORAGE_ACCESS_KEY", "k"),
                ("LC_ALL", "C"),
                ("PGDATA", "/data"),
            ];
            let settings = Settings::of(pod.iter().chain(more).copied().collect(), 1);
            let command = job(&settings);
            let pairs = command
                .get_envs()
                .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()));
            pairs.map(|(name, value)| format!("{}={}", name.display(), value.display())).collect::<Vec<_>>()
        };
        let always = ["HOME=/home/postgres", "LOGNAME=postgres", "PATH=/opt/bin:/bin", "SHELL=/bin/sh"];
        assert_eq!(given(&[]), always);
        let with_libraries = given(&[("LD_LIBRARY_PATH", "/cache/lib")]);
        assert_eq!(
            with_libraries,
            [always[0], "LD_LIBRARY_PATH=/cache/lib", always[1], always[2], always[3]]
        );
    }
}

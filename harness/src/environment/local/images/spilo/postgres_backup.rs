//! `/scripts/postgres_backup.sh <PGDATA>`: a base backup, then the old ones are deleted.
//!
//! Unlike Spilo's script it ends with WAL-G's exit code, so that who runs it can tell.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::{env, io};

use jiff::{SignedDuration, Timestamp};

use super::backup_list::{self, Backup};
use super::{child, log};

fn say(message: impl std::fmt::Display) {
    log::shell("/scripts/postgres_backup.sh", message);
}

/// Backs up, where this node's role is the one that backups are taken from.
pub fn main() -> ExitCode {
    let Some(pgdata) = env::args().nth(1) else {
        println!("Usage: /scripts/postgres_backup.sh PGDATA");
        return ExitCode::FAILURE;
    };
    say(format_args!("I was called as: /scripts/postgres_backup.sh {pgdata}"));
    match run(&pgdata) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            say(format_args!("ERROR: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(pgdata: &str) -> io::Result<i32> {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let in_recovery = query("select pg_catalog.pg_is_in_recovery()")?;
    let from_replica = variable("WALG_BACKUP_FROM_REPLICA") == "true";
    match (in_recovery.as_str(), from_replica) {
        ("f", true) => {
            say("Cluster is not in recovery, not running backup");
            return Ok(0);
        }
        ("t", false) => {
            say("Cluster is in recovery, not running backup");
            return Ok(0);
        }
        ("f" | "t", _) => {}
        (unknown, _) => {
            say(format_args!("ERROR: Recovery state unknown: {unknown}"));
            return Ok(1);
        }
    }
    let program = if variable("USE_WALG_BACKUP") == "true" { "wal-g" } else { "wal-e" };
    let mut command = child::command("nice", &["-n", "5", program, "backup-push", pgdata]);
    if let Ok(method) = env::var("WALG_BACKUP_COMPRESSION_METHOD") {
        command.env("WALG_COMPRESSION_METHOD", method);
    }
    say("producing a new backup");
    let status = command.env("PGHOST", SOCKETS).status()?;
    if !status.success() {
        return Ok(child::code(status));
    }
    delete_old(&variable("BACKUP_NUM_TO_RETAIN"))
}

/// Where PostgreSQL's socket is.
const SOCKETS: &str = "/var/run/postgresql";

fn query(sql: &str) -> io::Result<String> {
    let mut command = child::command("psql", &["-tXqAc", sql]);
    if Path::new(SOCKETS).is_dir() {
        command.env("PGHOST", SOCKETS);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn delete_old(retain: &str) -> io::Result<i32> {
    let retain = retain.trim().parse().unwrap_or(0).max(2);
    let output = child::command("wal-g", &["backup-list"]).stderr(Stdio::null()).output()?;
    let backups = backup_list::parse(&String::from_utf8_lossy(&output.stdout)).map_err(io::Error::other)?;
    let Some(before) = oldest_kept(backups.clone(), retain, Timestamp::now()) else {
        say(format_args!("No backups older than {retain} days found, not deleting any"));
        return Ok(0);
    };
    let delete = ["delete", "before", "FIND_FULL", &before, "--confirm"];
    Ok(child::code(child::command("wal-g", &delete).status()?))
}

/// The backup before which all others go: at least so many backups stay, and all of the last so many days.
fn oldest_kept(mut backups: Vec<Backup>, retain: usize, now: Timestamp) -> Option<String> {
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.last_modified));
    let days = i64::try_from(retain).unwrap_or(i64::MAX);
    let age = |backup: &Backup| now.duration_since(backup.last_modified);
    let old = |backup: &&Backup| age(backup) >= SignedDuration::from_hours(24 * days);
    let candidate = backups.iter().skip(retain - 1).find(old)?;
    (backups.len() > retain).then(|| candidate.name.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-01-10T00:00:00Z";

    /// Backups of these ages in days, named after them.
    fn kept(ages: &[i64], retain: usize) -> Option<String> {
        let now: Timestamp = NOW.parse().unwrap();
        let backups = ages.iter().map(|days| Backup {
            name: format!("{days}d"),
            last_modified: now - SignedDuration::from_hours(24 * days),
            wal_segment: None,
        });
        oldest_kept(backups.collect(), retain, now)
    }

    #[test]
    fn at_least_so_many_backups_and_days_are_kept() {
        assert_eq!(kept(&[0, 1, 2, 3, 4, 5, 6], 5).as_deref(), Some("5d"));
        assert_eq!(kept(&[6, 0, 5, 1, 4, 2, 3], 5).as_deref(), Some("5d"));
        assert_eq!(kept(&[0, 0, 0, 0, 0, 0], 5), None, "all are young");
        assert_eq!(kept(&[10, 20, 30], 5), None, "there are only three");
        assert_eq!(kept(&[10, 20, 30, 40, 50], 5), None, "there are just enough");
        assert_eq!(kept(&[10, 20, 30], 2).as_deref(), Some("20d"));
    }
}

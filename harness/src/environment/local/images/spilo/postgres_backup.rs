//! `/scripts/postgres_backup.sh <PGDATA>`: a base backup, then the old ones are deleted.
//!
//! Unlike Spilo's script it ends with the exit code of WAL-G's push, so that who runs it can tell.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use jiff::Timestamp;

use super::child::{self, Output};
use super::container::of_this_container;
use super::log;
use crate::spilo::{Variables, backup_list, retention};

fn say(message: impl std::fmt::Display) {
    log::shell("/scripts/postgres_backup.sh", message);
}

/// Backs up, where this node's role is the one that backups are taken from.
pub fn main() -> ExitCode {
    let Some(pgdata) = std::env::args().nth(1) else {
        println!("Usage: /scripts/postgres_backup.sh PGDATA");
        return ExitCode::FAILURE;
    };
    say(format_args!("I was called as: /scripts/postgres_backup.sh {pgdata}"));
    match run(&pgdata, &of_this_container(), Timestamp::now(), child::execute) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            say(format_args!("ERROR: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(
    pgdata: &str,
    variables: &Variables,
    now: Timestamp,
    mut execute: impl FnMut(Command, Output) -> io::Result<(i32, String)>,
) -> io::Result<i32> {
    let (_, in_recovery) = execute(query("select pg_catalog.pg_is_in_recovery()"), Output::Read)?;
    let from_replica = variables.text("WALG_BACKUP_FROM_REPLICA") == "true";
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
    say("producing a new backup");
    let (pushed, _) = execute(push(pgdata, variables), Output::Shown)?;
    // Whether or not that succeeded, as in Spilo.
    let mut list = child::command("wal-g", &["backup-list"]);
    list.stderr(Stdio::null());
    let (_, list) = execute(list, Output::Read)?;
    let backups = backup_list::parse(&list).map_err(io::Error::other)?;
    let deleted = match retention::to_delete(backups, variables.text("BACKUP_NUM_TO_RETAIN"), now) {
        Ok(before) => {
            let delete = child::command("wal-g", &["delete", "before", "FIND_FULL", &before, "--confirm"]);
            execute(delete, Output::Shown)?.0
        }
        Err(why) => {
            say(why);
            0
        }
    };
    Ok(if pushed == 0 { deleted } else { pushed })
}

/// Where PostgreSQL's socket is.
const SOCKETS: &str = "/var/run/postgresql";

fn query(sql: &str) -> Command {
    let mut command = child::command("psql", &["-tXqAc", sql]);
    if Path::new(SOCKETS).is_dir() {
        command.env("PGHOST", SOCKETS);
    }
    command
}

fn push(pgdata: &str, variables: &Variables) -> Command {
    let program = if variables.text("USE_WALG_BACKUP") == "true" { "wal-g" } else { "wal-e" };
    let mut command = child::command("nice", &["-n", "5", program, "backup-push", pgdata]);
    if let Some(method) = variables.set("WALG_BACKUP_COMPRESSION_METHOD") {
        command.env("WALG_COMPRESSION_METHOD", method);
    }
    command.env("PGHOST", SOCKETS);
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-01-10T00:00:00Z";

    /// Runs it where commands print these answers and end with these codes, in order; what was run.
    fn ran(variables: &[(&str, &str)], answers: &[(i32, &str)]) -> (i32, Vec<String>) {
        let mut answers = answers.iter();
        let mut ran = Vec::new();
        let code = run("/data", &variables.iter().copied().collect(), NOW.parse().unwrap(), |command, _| {
            let words = [command.get_program()].into_iter().chain(command.get_args());
            ran.push(words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "));
            let (code, text) = answers.next().unwrap();
            Ok((*code, (*text).to_owned()))
        });
        (code.unwrap(), ran)
    }

    const ASKED: &str = "psql -tXqAc select pg_catalog.pg_is_in_recovery()";
    const PUSHED: &str = "nice -n 5 wal-g backup-push /data";
    const LISTED: &str = "wal-g backup-list";
    const DELETED: &str = "wal-g delete before FIND_FULL base_2 --confirm";
    const WALG: (&str, &str) = ("USE_WALG_BACKUP", "true");
    const FROM_REPLICA: (&str, &str) = ("WALG_BACKUP_FROM_REPLICA", "true");
    const LIST: &str = "name modified wal_segment_backup_start
base_1 2026-01-01T00:00:00Z 000000010000000000000002
base_2 2026-01-02T00:00:00Z 000000010000000000000004
base_3 2026-01-09T00:00:00Z 000000010000000000000006
";

    #[test]
    fn a_backup_is_pushed_and_old_ones_are_deleted() {
        let answers = [(0, "f"), (0, ""), (0, LIST), (0, "")];
        assert_eq!(ran(&[WALG], &answers), (0, [ASKED, PUSHED, LISTED, DELETED].map(str::to_owned).into()));
    }

    #[test]
    fn old_backups_are_deleted_after_a_failed_push_too_and_the_failure_is_told() {
        let answers = [(0, "f"), (3, ""), (0, LIST), (0, "")];
        assert_eq!(ran(&[WALG], &answers), (3, [ASKED, PUSHED, LISTED, DELETED].map(str::to_owned).into()));
    }

    #[test]
    fn only_the_role_that_backups_are_taken_from_takes_one() {
        let done = |variables: &[(&str, &str)], state| {
            let (code, ran) = ran(variables, &[(0, state), (0, ""), (0, "")]);
            (code, ran.len() > 1)
        };
        assert_eq!(done(&[WALG], "f"), (0, true));
        assert_eq!(done(&[WALG], "t"), (0, false));
        assert_eq!(done(&[WALG, FROM_REPLICA], "t"), (0, true));
        assert_eq!(done(&[WALG, FROM_REPLICA], "f"), (0, false));
        assert_eq!(done(&[WALG], ""), (1, false), "psql has failed");
    }

    #[test]
    fn the_push_has_a_compression_of_its_own_where_one_is_given() {
        let compression = |pairs: &[(&str, &str)]| {
            let command = push("/data", &pairs.iter().copied().collect());
            let value = command.get_envs().find(|(name, _)| *name == "WALG_COMPRESSION_METHOD");
            value.map(|(_, value)| value.unwrap().to_string_lossy().into_owned())
        };
        assert_eq!(compression(&[("WALG_BACKUP_COMPRESSION_METHOD", "zstd")]).as_deref(), Some("zstd"));
        assert_eq!(compression(&[("WALG_BACKUP_COMPRESSION_METHOD", "")]), None);
        assert_eq!(compression(&[]), None);
    }
}

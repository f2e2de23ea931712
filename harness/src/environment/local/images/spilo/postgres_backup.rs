//! `/scripts/postgres_backup.sh <PGDATA>`: a base backup, and old ones are deleted: since 4.0-p3 afterwards, until then before.
//!
//! As in Spilo, the exit code is the push's until 4.0-p2, and since 4.0-p3 says nothing of it.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use jiff::Timestamp;

use super::before_push;
use super::child::{self, Output};
use super::container::of_this_container;
use super::log;
use super::programs::Programs;
use crate::spilo::{Release, Variables, backup_list, retention};

fn say(message: impl std::fmt::Display) {
    log::shell("/scripts/postgres_backup.sh", message);
}

/// Backs up, where this node's role is the one that backups are taken from.
pub(super) fn main() -> ExitCode {
    let Some(pgdata) = std::env::args().nth(1) else {
        println!("Usage: /scripts/postgres_backup.sh PGDATA");
        return ExitCode::FAILURE;
    };
    say(format_args!("I was called as: /scripts/postgres_backup.sh {pgdata}"));
    let release = match Programs::of_this_container() {
        Ok(programs) => programs.release,
        Err(error) => {
            say(format_args!("ERROR: failed to {error}"));
            return ExitCode::FAILURE;
        }
    };
    match run(release, &pgdata, &of_this_container(), Timestamp::now(), child::execute) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            say(format_args!("ERROR: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(
    release: Release,
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
    let listed = |execute: &mut dyn FnMut(Command, Output) -> io::Result<(i32, String)>| {
        let mut list = child::command("wal-g", &["backup-list"]);
        list.stderr(Stdio::null());
        let (_, list) = execute(list, Output::Read)?;
        backup_list::parse(&list).map_err(io::Error::other)
    };
    let delete =
        |before: &str| child::command("wal-g", &["delete", "before", "FIND_FULL", before, "--confirm"]);
    let retain = variables.text("BACKUP_NUM_TO_RETAIN");
    if release.deletes_before_push() {
        if let Some(before) = before_push::to_delete(&listed(&mut execute)?, retain, now) {
            execute(delete(&before), Output::Shown)?;
        }
        say("producing a new backup");
        return Ok(execute(push(pgdata, variables), Output::Shown)?.0);
    }
    say("producing a new backup");
    execute(push(pgdata, variables), Output::Shown)?;
    // Whether or not that succeeded.
    match retention::to_delete(listed(&mut execute)?, retain, now) {
        Ok(before) => Ok(execute(delete(&before), Output::Shown)?.0),
        Err(why) => {
            say(why);
            Ok(0)
        }
    }
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
    use super::*;

    const NOW: &str = "2026-01-10T00:00:00Z";

    /// Runs it where commands print these answers and end with these codes, in order; what was run.
    fn ran(variables: &[(&str, &str)], answers: &[(i32, &str)]) -> (i32, Vec<String>) {
        ran_by(Release::NEWEST, variables, answers)
    }

    fn ran_by(release: Release, variables: &[(&str, &str)], answers: &[(i32, &str)]) -> (i32, Vec<String>) {
        let mut answers = answers.iter();
        let mut ran = Vec::new();
        let code = run(
            release,
            "/data",
            &variables.iter().copied().collect(),
            NOW.parse().unwrap(),
            |command, _| {
                let words = [command.get_program()].into_iter().chain(command.get_args());
                ran.push(words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "));
                let (code, text) = answers.next().unwrap();
                Ok((*code, (*text).to_owned()))
            },
        );
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
    fn old_backups_are_deleted_after_a_failed_push_too_and_the_failure_is_lost() {
        let answers = [(0, "f"), (3, ""), (0, LIST), (0, "")];
        assert_eq!(ran(&[WALG], &answers), (0, [ASKED, PUSHED, LISTED, DELETED].map(str::to_owned).into()));
    }

    #[test]
    fn an_older_release_deletes_first_and_tells_the_failure_of_the_push() {
        let older = "4.0-p2".parse().unwrap();
        let list = "name modified wal_segment_backup_start
base_1 2026-01-01T00:00:00Z 000000010000000000000002
base_2 2026-01-02T00:00:00Z 000000010000000000000004
base_3 2026-01-08T12:00:00Z 000000010000000000000005
base_4 2026-01-09T00:00:00Z 000000010000000000000006
";
        let answers = [(0, "f"), (0, list), (0, ""), (3, "")];
        assert_eq!(
            ran_by(older, &[WALG], &answers),
            (3, [ASKED, LISTED, DELETED, PUSHED].map(str::to_owned).into())
        );
        let answers = [(0, "f"), (0, LIST), (0, "")];
        assert_eq!(ran_by(older, &[WALG], &answers), (0, [ASKED, LISTED, PUSHED].map(str::to_owned).into()));
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

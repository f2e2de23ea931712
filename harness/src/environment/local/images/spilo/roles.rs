//! `/scripts/post_init.sh` and `/scripts/on_role_change.sh`: the roles that every Spilo cluster has, and its objects.

use std::convert::Infallible;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use super::programs::Programs;
use super::{child, objects};
use crate::poll::{Limit, PollError, Seen, poll};

/// `post_init.sh <human role> <connection string>`, after every bootstrap.
pub(super) fn post_init() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(human), Some(connection)) = (words.next(), words.next()) else {
        eprintln!("usage: post_init.sh HUMAN_ROLE CONNECTION");
        return ExitCode::FAILURE;
    };
    let predates = match Programs::of_this_container() {
        Ok(programs) => programs.wal_g_predates_postgres_15,
        Err(error) => {
            eprintln!("post_init.sh: failed to {error}");
            return ExitCode::FAILURE;
        }
    };
    let made = run_sql(&connection, &script(&human, predates));
    if made.as_ref().is_ok_and(|code| *code == 0)
        && let Err(error) = objects::make(&human, &connection)
    {
        eprintln!("post_init.sh: failed to run psql: {error}");
        return ExitCode::FAILURE;
    }
    match made {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("post_init.sh: failed to run psql: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `on_role_change.sh <human role> <callback> on_role_change <role> <scope>`, as Patroni calls it.
pub(super) fn on_role_change() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(mut callback) = callback(&words)
        && let Err(error) = callback.status()
    {
        eprintln!("on_role_change.sh: {}: {error}", callback.get_program().to_string_lossy());
    }
    let Some(human) = human_of_new_primary(&words).filter(|_| is_promoted()) else {
        return ExitCode::SUCCESS;
    };
    let mut statistics = child::command("vacuumdb", &["-aZ"]);
    let statistics = statistics.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let code = child::command("/scripts/post_init.sh", &[human, "postgres"]).status().map(child::code);
    if let Ok(mut statistics) = statistics {
        // Only the planner misses them where this fails.
        let _ = statistics.wait();
    }
    ExitCode::from(code.ok().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The callback that Spilo was given, with what Patroni says: action, role, scope. Without one it is `true`.
fn callback(words: &[String]) -> Option<Command> {
    let [_human, program, rest @ ..] = words else { return None };
    let arguments: Vec<&str> = rest.iter().map(String::as_str).collect();
    // Patroni's own three words alone: an old configuration named no callback.
    (arguments.len() >= 3).then(|| child::command(program, &arguments))
}

/// The human role, where this node becomes the primary. Before Patroni's own words stands the callback that Spilo was given.
fn human_of_new_primary(words: &[String]) -> Option<&str> {
    let [human, .., action, role, _scope] = words else { return None };
    ((action.as_str(), role.as_str()) == ("on_role_change", "primary")).then_some(human)
}

/// Waits for the end of recovery, as long as Spilo does.
fn is_promoted() -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return false;
    };
    let waited: Result<(), PollError<Infallible>> =
        runtime.block_on(poll("the end of recovery", Limit::seconds(30), async || {
            let sql = "SELECT pg_catalog.pg_is_in_recovery()";
            let output = child::command("psql", &["-d", "postgres", "-tAc", sql]).output();
            Ok(match output {
                Ok(output) if output.stdout.starts_with(b"f") => Seen::Done(()),
                Ok(output) => Seen::NotYet(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        }));
    waited.is_ok()
}

fn run_sql(connection: &str, sql: &str) -> io::Result<i32> {
    let mut command = child::command("psql", &["-Xq", "-v", "ON_ERROR_STOP=1", "-d", connection]);
    command.env("PGOPTIONS", "-c synchronous_commit=local -c search_path=pg_catalog");
    let mut psql = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = psql.stdin.take() {
        stdin.write_all(sql.as_bytes())?;
    }
    Ok(child::code(psql.wait()?))
}

/// The whole script, for psql.
fn script(human: &str, wal_g_predates_postgres_15: bool) -> String {
    let plain = "NOCREATEDB NOLOGIN NOCREATEROLE NOSUPERUSER NOREPLICATION INHERIT";
    let mut sql = String::new();
    sql += &role("admin", "CREATEDB NOLOGIN NOCREATEROLE NOSUPERUSER NOREPLICATION INHERIT");
    sql += &role("cron_admin", plain);
    sql += "GRANT cron_admin TO admin;\n";
    sql += &role(human, plain);
    sql += &role("robot_zmon", plain);
    sql += "GRANT EXECUTE ON FUNCTION pg_catalog.pg_switch_wal() TO admin;\n";
    if wal_g_predates_postgres_15 {
        sql += &format!("{LEGACY_FUNCTIONS}\\c template1\n{LEGACY_FUNCTIONS}");
    }
    sql
}

fn role(name: &str, options: &str) -> String {
    let text = name.replace('\'', "''");
    let identifier = name.replace('"', "\"\"");
    format!(
        "DO $role$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{text}') THEN\n    \
         CREATE ROLE \"{identifier}\";\n  END IF;\n  ALTER ROLE \"{identifier}\" WITH {options};\nEND $role$;\n"
    )
}

/// What a WAL-G from before PostgreSQL 15 calls; a newer one does not wait for the archive either. In
/// `pg_catalog`, so that no user's schema changes.
pub const LEGACY_FUNCTIONS: &str = r"DO $legacy$ BEGIN
  IF current_setting('server_version_num')::int < 150000 THEN RETURN; END IF;
  EXECUTE $f$CREATE OR REPLACE FUNCTION pg_catalog.pg_start_backup(label text, fast boolean, exclusive boolean)
    RETURNS pg_lsn LANGUAGE sql AS 'SELECT pg_catalog.pg_backup_start(label, fast)'$f$;
  EXECUTE $f$CREATE OR REPLACE FUNCTION pg_catalog.pg_stop_backup(exclusive boolean,
    OUT lsn pg_lsn, OUT labelfile text, OUT spcmapfile text)
    LANGUAGE sql AS 'SELECT * FROM pg_catalog.pg_backup_stop(false)'$f$;
END $legacy$;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_of_spilo_is_made_and_names_are_quoted() {
        let sql = script(r#"za"lan'dos"#, false);
        for name in ["\"admin\"", "\"cron_admin\"", "\"robot_zmon\"", r#""za""lan'dos""#] {
            assert!(sql.contains(&format!("CREATE ROLE {name};")), "{name} in {sql}");
        }
        assert!(sql.contains(r#"rolname = 'za"lan''dos'"#));
        assert!(sql.contains(r#"ALTER ROLE "admin" WITH CREATEDB NOLOGIN"#));
    }

    #[test]
    fn only_a_new_primary_gets_its_roles_again() {
        let human = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            human_of_new_primary(&words).map(str::to_owned)
        };
        assert_eq!(human("people true on_role_change primary acid-orders").as_deref(), Some("people"));
        assert_eq!(human("people on_role_change primary acid-orders").as_deref(), Some("people"));
        assert_eq!(human("people true on_role_change replica acid-orders"), None);
        assert_eq!(human("people true on_start primary acid-orders"), None);
        assert_eq!(human("people true"), None);
    }

    #[test]
    fn the_callback_that_was_given_hears_what_patroni_says() {
        let called = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            callback(&words).map(|command| {
                let all = [command.get_program()].into_iter().chain(command.get_args());
                all.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            })
        };
        let said = "people python3 /own.py on_role_change primary acid-orders";
        assert_eq!(called(said).as_deref(), Some("python3 /own.py on_role_change primary acid-orders"));
        let none = "people true on_role_change primary acid-orders";
        assert_eq!(called(none).as_deref(), Some("true on_role_change primary acid-orders"));
        assert_eq!(called("people on_role_change primary acid-orders"), None);
    }

    #[test]
    fn the_old_functions_are_made_in_both_databases_only_for_an_old_wal_g() {
        assert_eq!(script("zalandos", true).matches("FUNCTION pg_catalog.pg_start_backup").count(), 2);
        assert!(script("zalandos", true).contains("\\c template1\n"));
        assert!(!script("zalandos", false).contains("pg_start_backup"));
    }
}

//! `/scripts/clone_with_basebackup.py`: Patroni's bootstrap method for a clone of a running cluster.

use std::process::{Command, ExitCode};

use super::child;
use super::log::Voice;
use super::programs::Programs;
use super::recovery::Recovery;
use crate::spilo::Settings;

/// What Patroni passes.
#[derive(Debug, clap::Parser)]
struct Options {
    #[arg(long)]
    scope: String,
    #[arg(long)]
    datadir: String,
    /// The file with the source's password.
    #[arg(long)]
    pgpass: String,
    #[arg(long)]
    host: String,
    #[arg(long, default_value = "5432")]
    port: String,
    #[arg(long, default_value = "postgres")]
    dbname: String,
    #[arg(long)]
    user: String,
}

/// The line of the password file for the source.
pub(super) fn pgpass_line(settings: &Settings) -> String {
    let escaped = |name: &str| settings.text(name).replace('\\', "\\\\").replace(':', "\\:");
    format!(
        "{}:{}:*:{}:{}",
        escaped("CLONE_HOST"),
        settings.text("CLONE_PORT"),
        escaped("CLONE_USER"),
        escaped("CLONE_PASSWORD")
    )
}

/// Streams a base backup, and recovers it.
pub(super) fn main() -> ExitCode {
    let options = <Options as clap::Parser>::parse();
    let recovery = Programs::of_this_container()
        .map_err(|error| error.to_string())
        .and_then(|programs| Recovery::prepare(&programs).map_err(|error| error.to_string()));
    match recovery.and_then(|recovery| stream(&options).map(|()| recovery)) {
        Ok(recovery) => recovery.run(),
        Err(message) => {
            Voice::Script.error("Clone failed");
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn stream(options: &Options) -> Result<(), String> {
    let connection = connection(options);
    Voice::Script.info(format_args!("cloning cluster {} from \"{connection}\"", options.scope));
    let status = base_backup(options, &connection).status().map_err(|error| format!("Exception: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("Exception: pg_basebackup exited with code={}", child::code(status))),
    }
}

/// Spilo leaves the source's checkpoint spread out, which takes up to minutes and changes nothing else.
fn base_backup(options: &Options, connection: &str) -> Command {
    let arguments = ["-D", &options.datadir, "-X", "stream", "-c", "fast", "-d", connection, "-w"];
    // As Spilo starts it: without a PATH or anything else of the environment. Only our libraries' place is kept.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|folder| folder.join("pg_basebackup"));
    let program = program.into_iter().find(|program| program.is_file());
    let program = program.unwrap_or_else(|| "pg_basebackup".into());
    let mut command = child::command(&program.to_string_lossy(), &arguments);
    command.env_clear().env("PGPASSFILE", &options.pgpass);
    if let Some(lib) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", lib);
    }
    command
}

fn connection(options: &Options) -> String {
    [("host", &options.host), ("port", &options.port), ("user", &options.user), ("dbname", &options.dbname)]
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .join(" ")
}

/// A value in a connection string.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
    if escaped.contains(char::is_whitespace) { format!("'{escaped}'") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_file_escapes_what_it_must() {
        let variables = [
            ("CLONE_METHOD", "CLONE_WITH_BASEBACKUP"),
            ("CLONE_SCOPE", "s"),
            ("CLONE_HOST", "::1"),
            ("CLONE_USER", "standby"),
            ("CLONE_PASSWORD", r"a:b\c"),
        ];
        let settings = Settings::of(variables.into_iter().collect(), 1);
        assert_eq!(pgpass_line(&settings), r"\:\:1:5432:*:standby:a\:b\\c");
    }

    fn options(user: &str) -> Options {
        let user = format!("--user={user}");
        <Options as clap::Parser>::try_parse_from([
            "x",
            "--pgpass=/p",
            "--host=acid-source",
            "--port=5432",
            &user,
            "--scope=c",
            "--datadir=/d",
        ])
        .unwrap()
    }

    #[test]
    fn the_connection_quotes_what_it_must() {
        assert_eq!(
            connection(&options("o'neil smith")),
            r"host=acid-source port=5432 user='o\'neil smith' dbname=postgres"
        );
    }

    #[test]
    fn the_backup_is_streamed_with_its_wal_and_the_password_only_in_its_file() {
        let command = base_backup(&options("standby"), "host=acid-source");
        assert!(command.get_program().to_string_lossy().ends_with("pg_basebackup"));
        let words: Vec<_> = command.get_args().collect();
        let expected = ["-D", "/d", "-X", "stream", "-c", "fast", "-d", "host=acid-source", "-w"];
        assert_eq!(words, expected);
        let given: Vec<_> = command.get_envs().filter(|(name, _)| *name != "LD_LIBRARY_PATH").collect();
        assert_eq!(given, [("PGPASSFILE".as_ref(), Some("/p".as_ref()))]);
    }
}

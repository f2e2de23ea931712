//! What `post_init.sh` makes in databases beside roles: functions for people, views for monitoring, and those of PostgreSQL's log.
//!
//! In our own words, under the names that Spilo's have (`harness/docs/spilo-objects.md`), so that a data observation meets them here too. Of its
//! extensions those are made that PostgreSQL's own packages have. Two things are otherwise, so that a database which
//! refuses changes does not keep a clone from coming up: what fails is left out, where Spilo's script ends from 4.0 on, and no event
//! trigger fires.

use std::io::{self, Write};
use std::process::Stdio;

use super::child;

/// Over whatever a database sets for its clients.
const OPTIONS: &str = "-c synchronous_commit=local -c search_path=pg_catalog -c client_min_messages=warning \
                       -c default_transaction_read_only=off -c session_replication_role=replica";

const DATABASES: &str =
    "SELECT pg_catalog.quote_ident(datname) FROM pg_catalog.pg_database WHERE datallowconn";

/// Makes them all, as far as they can be made.
pub(super) fn make(human: &str, connection: &str) -> io::Result<()> {
    let listed = child::command("psql", &["-XtA", "-d", connection, "-c", DATABASES]).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let human = format!("human={human}");
    let mut psql = child::command("psql", &["-Xq", "-v", &human, "-d", connection]);
    let psql =
        psql.env("PGOPTIONS", OPTIONS).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut psql = psql.spawn()?;
    if let Some(mut stdin) = psql.stdin.take() {
        stdin.write_all(script(&listed).as_bytes())?;
    }
    psql.wait().map(|_| ())
}

/// The whole script, for psql; `databases` are names as SQL writes them, one a line.
fn script(databases: &str) -> String {
    let mut script = include_str!("objects/first.sql").to_owned();
    for database in databases.lines() {
        // A name that is not let in would have the rest done in the database before it.
        script += &format!("\\c {database}\n{}", include_str!("objects/every.sql"));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::script;

    #[test]
    fn each_database_gets_its_part() {
        let script = script("postgres\n\"with space\"\ntemplate1\n");
        assert_eq!(script.matches("CREATE SCHEMA zmon_utils;").count(), 1);
        assert_eq!(script.matches("CREATE SCHEMA IF NOT EXISTS metric_helpers;").count(), 3);
        let second = script.find("\\c \"with space\"\n");
        assert!(
            second > script.find("\\c postgres\n") && second < script.find("\\c template1\n"),
            "{script}"
        );
    }
}

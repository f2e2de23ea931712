//! PostgreSQL's own log, which Spilo keeps as CSV files beside the data folder and not on the container's output.

use std::time::Duration;

use crate::environment::{ContainerLog, Environment, EnvironmentError};

/// Prints all of it. A folder that is not there yet is an empty log.
const PRINT: &str = r#"cat "${PGROOT:-/home/postgres/pgdata/pgroot}"/pg_log/*.csv 2>/dev/null || true"#;
/// For reading it from a tmpfs.
const LIMIT: Duration = Duration::from_secs(60);
/// What the log is called among the containers' logs.
pub const CONTAINER: &str = "postgres-server";

/// Columns of PostgreSQL's `csvlog` that a line is made from.
const TIME: usize = 0;
const PID: usize = 3;
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;

/// The server log of one pod, in the form that the server gives it on stderr.
///
/// # Errors
/// When the environment does not answer or the container does not run: an empty log would say that all is well.
pub async fn read<E: Environment>(environment: &E, pod: &str) -> Result<ContainerLog, EnvironmentError> {
    let output = environment.exec(pod, "postgres", &["sh", "-c", PRINT], LIMIT).await?;
    if output.code != 0 {
        let part = format!("sh in {pod}");
        let why = format!("reading the server's log ended with code {}", output.code);
        return Err(EnvironmentError::Part { part, why, log: vec![output.stderr] });
    }
    let text = lines(&output.stdout);
    Ok(ContainerLog { pod: pod.to_owned(), container: CONTAINER.to_owned(), attempt: 0, text })
}

fn lines(csv: &str) -> String {
    let mut text = String::new();
    for record in records(csv) {
        let field = |index: usize| record.get(index).map(String::as_str).unwrap_or_default();
        if record.len() <= MESSAGE {
            continue;
        }
        text.push_str(&format!(
            "{} [{}]: {}:  {}\n",
            field(TIME),
            field(PID),
            field(SEVERITY),
            field(MESSAGE)
        ));
        if !field(DETAIL).is_empty() {
            text.push_str(&format!("{} [{}]: DETAIL:  {}\n", field(TIME), field(PID), field(DETAIL)));
        }
    }
    text
}

/// RFC 4180: fields in quotes may hold commas, line ends and doubled quotes.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = vec![String::new()];
    let mut quoted = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut record, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => records.push(std::mem::replace(&mut record, vec![String::new()])),
            other => push(&mut record, other),
        }
    }
    records
}

fn push(record: &mut [String], character: char) {
    if let Some(field) = record.last_mut() {
        field.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_records_become_lines_as_on_stderr() {
        let csv = "2026-11-24 03:00:00.000 UTC,,,42,,65.2a,3,,2026-11-24 03:00:00 UTC,,0,LOG,00000,\
                   \"recovery stopping before commit of transaction 740, time \"\"t\"\"\",,,,,,,,,\"\",\"startup\",,0\n\
                   2026-11-24 03:00:01.000 UTC,,,42,,65.2a,4,,x,,0,FATAL,XX000,\"two\nlines\",\"more, of it\",,,,,,,,\"\",\"startup\",,0\n\
                   cut off in the mid";
        assert_eq!(
            lines(csv),
            "2026-11-24 03:00:00.000 UTC [42]: LOG:  recovery stopping before commit of transaction 740, time \"t\"\n\
             2026-11-24 03:00:01.000 UTC [42]: FATAL:  two\nlines\n\
             2026-11-24 03:00:01.000 UTC [42]: DETAIL:  more, of it\n"
        );
    }
}

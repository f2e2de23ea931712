//! PostgreSQL's own log, which Spilo keeps as CSV files beside the data folder and not on the container's output.

use std::time::Duration;

use crate::environment::{ContainerLog, Environment, EnvironmentError};

/// Prints all of it, oldest file first. A folder that is not there yet is an empty log; a file that cannot be read is none.
const PRINT: &str = r#"cd "${PGROOT:-/home/postgres/pgdata/pgroot}/pg_log" 2>/dev/null || exit 0
set -- *.csv; [ -e "$1" ] || exit 0
ls -tr -- "$@" | while IFS= read -r file; do cat -- "$file" || exit 1; done"#;
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
    let fail = |why: String, log: Vec<String>| EnvironmentError::Part {
        part: format!("the server's log in {pod}"),
        why,
        log,
    };
    if output.code != 0 {
        return Err(fail(format!("reading it ended with code {}", output.code), vec![output.stderr]));
    }
    let text = lines(&output.stdout)
        .map_err(|record| fail("it has a line of no known form".to_owned(), vec![record]))?;
    Ok(ContainerLog { pod: pod.to_owned(), container: CONTAINER.to_owned(), attempt: 0, text })
}

/// A record that is none is given back: what it hides may be an error.
fn lines(csv: &str) -> Result<String, String> {
    let mut text = String::new();
    for record in records(csv) {
        let field = |index: usize| record.get(index).map(String::as_str).unwrap_or_default();
        if record.len() <= MESSAGE {
            return Err(record.join(","));
        }
        text.push_str(&format!(
            "{} [{}]: {}:  {}\n",
            field(TIME),
            field(PID),
            field(SEVERITY),
            // As the server itself does: a line end within a message is followed by a tab.
            field(MESSAGE).replace('\n', "\n\t")
        ));
        if !field(DETAIL).is_empty() {
            text.push_str(&format!("{} [{}]: DETAIL:  {}\n", field(TIME), field(PID), field(DETAIL)));
        }
    }
    Ok(text)
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
            lines(csv).as_deref(),
            Ok(
                "2026-11-24 03:00:00.000 UTC [42]: LOG:  recovery stopping before commit of transaction 740, time \"t\"\n\
             2026-11-24 03:00:01.000 UTC [42]: FATAL:  two\n\tlines\n\
             2026-11-24 03:00:01.000 UTC [42]: DETAIL:  more, of it\n"
            )
        );
        assert_eq!(lines("half of a record,,\n"), Err("half of a record,,".to_owned()));
    }
}

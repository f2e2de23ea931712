//! PostgreSQL's own log, which Spilo keeps as CSV files beside the data folder and not on the container's output.

use std::time::Duration;

use jiff::Timestamp;

use crate::environment::{ContainerLog, Environment, EnvironmentError};
use crate::observe::logs::csvlog;

/// Prints all of it, oldest file first. A folder that is not there yet is an empty log; a file that cannot be read is none.
const PRINT: &str = r#"cd "${PGROOT:-/home/postgres/pgdata/pgroot}/pg_log" 2>/dev/null || exit 0
set -- *.csv; [ -e "$1" ] || exit 0
ls -tr -- "$@" | while IFS= read -r file; do cat -- "$file" || exit 1; done"#;
/// For reading it from a tmpfs.
const LIMIT: Duration = Duration::from_secs(60);
/// What the log is called among the containers' logs.
pub(super) const CONTAINER: &str = "postgres-server";

/// What was said from this moment on; a line whose time is not read stays.
pub(super) fn since(text: &str, moment: Timestamp) -> String {
    let (mut kept, mut is_earlier) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        if let Some(time) = time_of(line) {
            is_earlier = time < moment;
        }
        if !is_earlier {
            kept.push_str(line);
        }
    }
    kept
}

/// `2026-11-24 03:00:00.000 UTC [`; lines that belong to the one before have none.
fn time_of(line: &str) -> Option<Timestamp> {
    let (time, zone) = line.split_once(" [")?.0.rsplit_once(' ')?;
    let is_utc = ["UTC", "GMT", "Etc/UTC"].contains(&zone);
    is_utc.then(|| format!("{}Z", time.replacen(' ', "T", 1)).parse().ok())?
}

/// The server log of one pod, in the form that the server gives it on stderr.
///
/// # Errors
/// When the environment does not answer or the container does not run: an empty log would say that all is well.
pub(super) async fn read<E: Environment>(
    environment: &E,
    pod: &str,
) -> Result<ContainerLog, EnvironmentError> {
    let output = environment.exec(pod, "postgres", &["sh", "-c", PRINT], LIMIT).await?;
    let fail = |why: String, log: Vec<String>| EnvironmentError::Part {
        part: format!("the server's log in {pod}"),
        why,
        log,
    };
    if output.code != 0 {
        return Err(fail(format!("reading it ended with code {}", output.code), vec![output.stderr]));
    }
    let text = csvlog::lines(&output.stdout)
        .map_err(|record| fail("it has a line of no known form".to_owned(), vec![record]))?;
    Ok(ContainerLog {
        pod: pod.to_owned(),
        uid: String::new(),
        container: CONTAINER.to_owned(),
        attempt: 0,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_server_said_on_the_same_volume_is_left_out() {
        let log = "2026-11-24 03:00:00.000 UTC [7]: ERROR:  early\n\tmore of it\n\
                   2026-11-24 03:00:05.250 UTC [9]: LOG:  late\n\tmore of it\n";
        let late = &log[log.find("2026-11-24 03:00:05").unwrap()..];
        assert_eq!(since(log, "2026-11-24T03:00:05.250Z".parse().unwrap()), late);
        assert_eq!(since(log, "2026-11-24T02:00:00Z".parse().unwrap()), log);
        assert_eq!(since(log, "2026-11-24T04:00:00Z".parse().unwrap()), "");
        let of_another_zone = "2026-11-24 03:00:00.000 CET [7]: ERROR:  x\n";
        assert_eq!(since(of_another_zone, "2026-11-24T04:00:00Z".parse().unwrap()), of_another_zone);
    }
}

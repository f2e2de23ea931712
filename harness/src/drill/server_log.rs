//! PostgreSQL's own log, which Spilo keeps as CSV files beside the data folder and not on the container's output.

use std::time::Duration;

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
    Ok(ContainerLog { pod: pod.to_owned(), container: CONTAINER.to_owned(), attempt: 0, text })
}

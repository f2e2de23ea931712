//! Step `sql`: statements on a cluster's leader, as the superuser.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::poll::TimedOut;
use crate::scenario::{ScenarioError, SqlStep, Step, fill_text};

/// Statements that fill big tables may take long; those that wait for each other would take for ever.
const LONGEST: Duration = Duration::from_secs(1800);
const ACTIVITY: &str = "SELECT concat_ws(', ', state, 'waits for ' || wait_event_type || ' ' || wait_event, \
                        'this statement for ' || date_trunc('seconds', clock_timestamp() - query_start)) \
                        FROM pg_stat_activity WHERE pid = $1";

impl<E: Environment> World<'_, E> {
    pub(super) async fn sql(&mut self, step: &SqlStep) -> Result<String, DrillError> {
        let lookup = self.lookup();
        let text = fill_text(self.loaded.sql(step), &|variable| lookup.value(variable))?;
        let client = self.connect(&step.on)?.open(&step.database).await?;
        let what = format!("run SQL on {} in database {}", step.on, step.database);
        let failed = |source| DrillError::Sql { what: what.clone(), source };
        // The observation's session settings would change what the statements mean.
        client.batch_execute("RESET ALL").await.map_err(failed)?;
        let me = client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(failed)?.get(0);
        match tokio::time::timeout(LONGEST, client.batch_execute(&text)).await {
            Ok(done) => done.map_err(|source| match self.refused(step, &text, &source) {
                Some(refused) => Box::new(refused).into(),
                None => failed(source),
            })?,
            Err(_) => {
                let watcher = self.connect(&step.on)?.open(&step.database).await?;
                let last = last_seen(&watcher, me).await.map_err(failed)?;
                return Err(TimedOut { what, after: LONGEST, last }.into());
            }
        }
        Ok(String::new())
    }

    /// What the database has against the statements is the scenario's fault, and has its place there.
    fn refused(&self, step: &SqlStep, text: &str, error: &tokio_postgres::Error) -> Option<ScenarioError> {
        let error = error.as_db_error()?;
        let number = self.loaded.scenario.steps.iter().position(|one| match one {
            Step::Sql(one) => std::ptr::eq(one, step),
            _ => false,
        })?;
        let line = error.position().and_then(|position| match position {
            ErrorPosition::Original(position) => Some(line_of(text, *position)),
            ErrorPosition::Internal { .. } => None,
        });
        let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let message = self.hide(&format!("{}: {}{detail}", error.severity(), error.message()));
        Some(self.loaded.refused_by_database(number, &message, line))
    }
}

/// The line, from 1, of a character, from 1.
fn line_of(text: &str, position: u32) -> usize {
    let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
    1 + text.chars().take(before).filter(|letter| *letter == '\n').count()
}

/// What a session does, without its text: that may hold anything.
async fn last_seen(client: &Client, pid: i32) -> Result<String, tokio_postgres::Error> {
    let row = client.query_opt(ACTIVITY, &[&pid]).await?;
    Ok(row.map_or("its session has ended".to_owned(), |row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn the_place_that_the_database_names_is_a_line() {
        let text = "SELECT 'ü';\nSELECT\n  nothing;";
        assert_eq!(line_of(text, 1), 1);
        assert_eq!(line_of(text, 13), 2);
        assert_eq!(line_of(text, 22), 3);
    }
}

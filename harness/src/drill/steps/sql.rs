//! Step `sql`: statements on a cluster's leader, as the superuser.

use tokio_postgres::error::ErrorPosition;

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::scenario::{ScenarioError, SqlStep, Step, fill_text};

impl<E: Environment> World<'_, E> {
    pub(super) async fn sql(&mut self, step: &SqlStep) -> Result<String, DrillError> {
        let lookup = self.lookup();
        let text = fill_text(self.loaded.sql(step), &|variable| lookup.value(variable))?;
        let client = self.connect(&step.on)?.open(&step.database).await?;
        let what = format!("run SQL on {} in database {}", step.on, step.database);
        let failed = |source| DrillError::Sql { what: what.clone(), source };
        // The observation's session settings would change what the statements mean.
        client.batch_execute("RESET ALL").await.map_err(failed)?;
        client.batch_execute(&text).await.map_err(|source| match self.refused(step, &text, &source) {
            Some(refused) => Box::new(refused).into(),
            None => failed(source),
        })?;
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

//! Asking the clone for one value, read-only.

use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Hide, one_line};
use crate::observe::data::{Connect, DataError, Session, detail, is_unanswered};
use crate::poll::{TimedOut, done_within};

/// How long a session and its small questions may take beyond the statement's own limit.
const MARGIN: Duration = Duration::from_secs(60);

/// Why there is no value: fits after "it ".
#[derive(Debug, thiserror::Error)]
pub(super) enum NoValue {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("was refused: {}", detail(.0))]
    Refused(#[from] tokio_postgres::Error),
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    #[error("gives {0}, not one row with one column")]
    Shape(String),
}

impl NoValue {
    fn is_unanswered(&self) -> bool {
        match self {
            NoValue::Data(error) => error.is_unanswered(),
            NoValue::Refused(error) => is_unanswered(error),
            NoValue::TimedOut(_) => true,
            NoValue::Shape(_) => false,
        }
    }

    /// One line for a report, of what the server has answered.
    ///
    /// # Errors
    /// Where there was no answer to `asked`: that says nothing of the clone.
    pub(super) fn said(self, asked: &str, database: &str, hide: Hide<'_>) -> Result<String, DataError> {
        if !self.is_unanswered() {
            return Ok(one_line(&self.line(), hide));
        }
        let asked = one_line(asked, hide);
        Err(match self {
            NoValue::Data(error) => error,
            NoValue::Refused(source) => {
                DataError::Query { what: format!("ask for {asked}"), database: database.to_owned(), source }
            }
            NoValue::TimedOut(late) => {
                TimedOut { what: format!("{asked} in database {database}"), ..late }.into()
            }
            shape @ NoValue::Shape(_) => {
                let (what, database) = (format!("ask for {asked}"), database.to_owned());
                DataError::Answer { what, database, value: shape.line() }
            }
        })
    }

    fn line(&self) -> String {
        match self {
            NoValue::Data(error) => format!("failed to {error}"),
            NoValue::TimedOut(error) => format!("failed to {error}"),
            other => format!("it {other}"),
        }
    }
}

/// What `ask` finds with a session of its own; once more where there was no answer: a connection may break.
pub(super) async fn answered<T>(
    statement_timeout: Duration,
    ask: impl AsyncFn() -> Result<T, NoValue>,
) -> Result<T, NoValue> {
    let limited = || done_within("the query's result", statement_timeout + MARGIN, ask());
    match limited().await {
        Err(error) if error.is_unanswered() => limited().await,
        found => found,
    }
}

/// The only value of a query.
pub(super) struct Value {
    pub of: Type,
    /// As PostgreSQL writes it; none for NULL.
    pub text: Option<String>,
}

/// A session in `database` that changes nothing. Identifiers are found as a client of that database finds them.
pub(super) async fn session(
    connect: &Connect,
    database: &str,
    statement_timeout: Duration,
) -> Result<Client, NoValue> {
    let limits = Session::ReadOnly { statement: statement_timeout, idle_in_transaction: statement_timeout };
    let client = connect.open_as(database, &limits).await?;
    client.batch_execute("RESET search_path").await?;
    Ok(client)
}

/// Runs one statement that gives one row with one column.
pub(super) async fn value(client: &Client, query: &str) -> Result<Value, NoValue> {
    client.batch_execute("BEGIN READ ONLY").await?;
    // What is prepared is one statement; the server refuses more than one.
    let statement = client.prepare(query).await?;
    let [column] = statement.columns() else {
        return Err(NoValue::Shape(super::count(statement.columns().len() as u64, "column")));
    };
    let messages = client.simple_query_raw(query).await?;
    pin_mut!(messages);
    let mut found = None;
    // Of a result of any size two rows are enough.
    while let Some(message) = messages.next().await {
        if let SimpleQueryMessage::Row(row) = message? {
            let text = row.try_get(0)?.map(str::to_owned);
            if found.replace(text).is_some() {
                return Err(NoValue::Shape("more than one row".to_owned()));
            }
        }
    }
    let text = found.ok_or_else(|| NoValue::Shape("no row".to_owned()))?;
    Ok(Value { of: column.type_().clone(), text })
}

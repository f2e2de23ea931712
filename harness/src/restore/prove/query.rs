//! Asking the clone for one value, read-only.

use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Hide, one_line};
use crate::observe::data::{Connect, DataError, Session, detail};
use crate::poll::{TimedOut, done_within};

/// How long the server may be silent beyond the statement's own limit.
const MARGIN: Duration = Duration::from_secs(30);

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
    /// One line for a report.
    pub(super) fn said(&self, hide: Hide<'_>) -> String {
        let text = match self {
            NoValue::Data(error) => format!("failed to {error}"),
            NoValue::TimedOut(error) => format!("failed to {error}"),
            other => format!("it {other}"),
        };
        one_line(&text, hide)
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
pub(super) async fn value(
    client: &Client,
    query: &str,
    statement_timeout: Duration,
) -> Result<Value, NoValue> {
    done_within("the query's result", statement_timeout + MARGIN, async {
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
    })
    .await
}

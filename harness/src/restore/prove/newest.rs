//! The newest value of a column, and how old it is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::assertion::{Answer, is_time};
use super::identity::span;
use super::query::{NoValue, answered, session, value};
use super::{Hide, one_line};
use crate::observe::data::{Connect, DataError};
use crate::report::{Proof, Unchecked};
use crate::restore::{Newest, Span};

/// Both names as SQL writes them: whatever they are, they are no SQL in what is made of them.
const COLUMN: &str = "SELECT t::text, quote_ident(a.attname) FROM (SELECT to_regclass($1) AS t) named
     LEFT JOIN pg_attribute a ON a.attrelid = t AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/// By which clocks of machines that write rows may be ahead.
const CLOCKS: Duration = Duration::from_secs(300);

const NO_TABLE: &str = "there is no such table";
const NO_COLUMN: &str = "the table has no such column";
const MISSING: &str = "it did not come back, or the drill's file misspells it: a table is written as in SQL, with its schema \
                       (`public.orders`), a column as it is";

/// One proof for each column, in their order. A table's name is read as SQL reads it, a column's is taken as it is. Without a limit it holds wherever there is a value to
/// report; with one, the newest value has to be a time, at most so much older than `target`; one that is dated after it says
/// nothing of how new the data are. A `timestamp` without a zone is
/// taken as UTC, a `date` as its beginning in UTC.
///
/// # Errors
/// When the server does not answer, nor when it is asked once more: whether the rest holds is not known then.
pub async fn newest(
    connect: &Connect,
    columns: &[Newest],
    target: Timestamp,
    statement_timeout: Duration,
    hide: Hide<'_>,
) -> Result<Vec<Proof>, DataError> {
    let mut proofs = Vec::new();
    for column in columns {
        let Newest { database, table, column: name, within } = column;
        let expected = match within {
            Some(within) => format!("at most {within} older than {target}"),
            None => String::new(),
        };
        let found =
            answered(statement_timeout, async || ask(connect, column, target, statement_timeout, hide).await);
        let Answer { holds, seen, gaps, .. } = match found.await {
            Ok(found) => found,
            Err(error) => {
                Answer::of(false, error.said(&format!("the newest {table}.{name}"), database, hide)?)
            }
        };
        let what = one_line(&format!("{database}: newest {table}.{name}"), hide);
        let help = if seen == NO_TABLE || seen == NO_COLUMN { MISSING } else { "" };
        let proof = Proof { expected, help: help.to_owned(), ..Proof::new(what, holds, seen) };
        proofs.push(proof.without(gaps));
    }
    Ok(proofs)
}

async fn ask(
    connect: &Connect,
    column: &Newest,
    target: Timestamp,
    statement_timeout: Duration,
    hide: Hide<'_>,
) -> Result<Answer, NoValue> {
    let client = session(connect, &column.database, statement_timeout).await?;
    let row = client.query_one(COLUMN, &[&column.table, &column.column]).await?;
    let (table, name): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let (table, name) = match (table, name) {
        (Some(table), Some(name)) => (table, name),
        (None, _) => return Ok(Answer::of(false, NO_TABLE)),
        (_, None) => return Ok(Answer::of(false, NO_COLUMN)),
    };
    let newest = value(&client, &format!("SELECT max({name}) FROM {table}")).await?;
    let Some(text) = &newest.text else {
        return Ok(Answer::of(column.within.is_none(), "no value: the table has no row, or only NULL"));
    };
    let shown = one_line(text, hide);
    if !is_time(&newest.of) {
        return Ok(match column.within {
            None => Answer::of(true, shown),
            Some(_) => Answer::of(false, format!("{shown}, of type {}, which is no time", newest.of)),
        });
    }
    Ok(match age(&client, text, &newest.of, target).await? {
        Age::Of(age) => {
            let holds = column.within.is_none_or(|within| age.at_most(within));
            let gaps = age.gap().filter(|_| column.within.is_some()).into_iter().collect();
            Answer { gaps, ..Answer::of(holds, format!("{shown}, {age}")) }
        }
        Age::Endless => Answer::of(column.within.is_none(), format!("{shown}, which is no time")),
    })
}

/// How old a time is at the target.
pub(super) enum Age {
    Of(BeforeTarget),
    /// `infinity`, or beyond all times that we know.
    Endless,
}

/// A time beside the target.
pub(super) struct BeforeTarget {
    time: Timestamp,
    target: Timestamp,
}

impl BeforeTarget {
    pub(super) fn at_most(&self, limit: Span) -> bool {
        match Duration::try_from(self.target.duration_since(self.time)) {
            Ok(age) => age <= limit.0,
            // It is after the target.
            Err(_) => true,
        }
    }

    /// What a row that is dated ahead, or in another zone, leaves open.
    pub(super) fn gap(&self) -> Option<Unchecked> {
        let ahead = Duration::try_from(self.time.duration_since(self.target)).ok()?;
        (ahead > CLOCKS).then(|| Unchecked {
            what: "how new the data are".to_owned(),
            why: format!(
                "{} is after the target: a row that is dated ahead does not show how new the data are",
                self.time
            ),
        })
    }
}

impl fmt::Display for BeforeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.time <= self.target { "before" } else { "after" };
        write!(f, "{} {side} the target", span(self.time, self.target))
    }
}

/// Of a value of one of the types of [`is_time`], as PostgreSQL has written it.
pub(super) async fn age(client: &Client, text: &str, of: &Type, target: Timestamp) -> Result<Age, NoValue> {
    // The session's time zone is UTC. Infinity has no microseconds that a bigint could hold.
    let sql = format!(
        "SELECT CASE WHEN isfinite(t) THEN (extract(epoch FROM t) * 1000000)::bigint END \
         FROM (SELECT $1::text::{}::timestamptz AS t) time",
        of.name()
    );
    let row = client.query_one(&sql, &[&text]).await?;
    let time = row.try_get::<_, Option<i64>>(0)?.and_then(|time| Timestamp::from_microsecond(time).ok());
    Ok(time.map_or(Age::Endless, |time| Age::Of(BeforeTarget { time, target })))
}

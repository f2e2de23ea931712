//! The user's own SQL assertions.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Number, Value as Json};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::newest::{Age, age};
use super::query::{NoValue, Value, answered, session, value};
use super::{Hide, one_line};
use crate::observe::data::{Connect, DataError};
use crate::report::{Proof, Unchecked};
use crate::restore::{Assertion, Span};

/// Where an assertion's query runs that names no database.
const DATABASE: &str = "postgres";
/// From here on not every integer has a floating point number of its own.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// One proof for each assertion, in their order. Each query runs in a read-only transaction of its own, with the search path of its
/// database and in the time zone UTC. Numbers are compared as decimal numbers, exactly; any other value as the text that PostgreSQL
/// writes. A query that gives no single value, or one that cannot be compared, does not hold.
///
/// # Errors
/// When the server does not answer, nor when it is asked once more: whether the rest holds is not known then.
pub async fn assertions(
    connect: &Connect,
    assertions: &[Assertion],
    target: Timestamp,
    statement_timeout: Duration,
    hide: Hide<'_>,
) -> Result<Vec<Proof>, DataError> {
    let mut proofs = Vec::new();
    for assertion in assertions {
        let database = assertion.database.as_deref().unwrap_or(DATABASE);
        let what = format!("{database}: {}", one_line(&assertion.query, hide));
        let (expected, found) = match Wanted::of(assertion) {
            Ok(wanted) => {
                let found = ask(connect, database, &assertion.query, wanted, target, statement_timeout, hide);
                (one_line(&wanted.said(target), hide), found.await?)
            }
            Err(why) => (why.to_owned(), Answer::not("it was not asked")),
        };
        let proof = Proof { expected, help: found.help, ..Proof::new(what, found.holds, found.seen) };
        proofs.push(proof.without(found.gaps));
    }
    Ok(proofs)
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Equals(&'a Json),
    AtLeast(&'a Number),
    NewerThan(Span),
}

impl<'a> Wanted<'a> {
    fn of(assertion: &'a Assertion) -> Result<Self, &'static str> {
        match (&assertion.equals, &assertion.at_least, assertion.newer_than) {
            (Some(equals), None, None) => Ok(Wanted::Equals(equals)),
            (None, Some(at_least), None) => Ok(Wanted::AtLeast(at_least)),
            (None, None, Some(span)) => Ok(Wanted::NewerThan(span)),
            _ => Err("exactly one of `equals`, `at_least` and `newer_than` has to be given"),
        }
    }

    fn said(&self, target: Timestamp) -> String {
        match self {
            Wanted::Equals(Json::String(text)) => format!("equals '{text}'"),
            Wanted::Equals(value) => format!("equals {value}"),
            Wanted::AtLeast(number) => format!("at least {number}"),
            Wanted::NewerThan(span) => format!("at most {span} older than {target}"),
        }
    }
}

pub(super) struct Answer {
    pub holds: bool,
    pub seen: String,
    pub help: String,
    /// What it leaves open though it holds.
    pub gaps: Vec<Unchecked>,
}

impl Answer {
    pub(super) fn of(holds: bool, seen: impl Into<String>) -> Self {
        Answer { holds, seen: seen.into(), help: String::new(), gaps: Vec::new() }
    }

    fn not(seen: impl Into<String>) -> Self {
        Answer::of(false, seen)
    }

    fn because(self, help: &str) -> Self {
        Answer { help: help.to_owned(), ..self }
    }
}

async fn ask(
    connect: &Connect,
    database: &str,
    query: &str,
    wanted: Wanted<'_>,
    target: Timestamp,
    statement_timeout: Duration,
    hide: Hide<'_>,
) -> Result<Answer, DataError> {
    let found = answered(statement_timeout, async || {
        let client = session(connect, database, statement_timeout).await?;
        let value = value(&client, query).await?;
        judge(&client, &value, wanted, target, hide).await
    });
    match found.await {
        Ok(found) => Ok(found),
        Err(error) => Ok(Answer::not(error.said(&format!("`{query}`"), database, hide)?)),
    }
}

async fn judge(
    client: &Client,
    value: &Value,
    wanted: Wanted<'_>,
    target: Timestamp,
    hide: Hide<'_>,
) -> Result<Answer, NoValue> {
    let Some(text) = &value.text else {
        let holds = matches!(wanted, Wanted::Equals(Json::Null));
        return Ok(Answer { holds, ..Answer::not("NULL") });
    };
    let seen = one_line(text, hide);
    let not_comparable =
        |with: &str| format!("{seen}, of type {}, which is not compared with {with}", value.of);
    let holds = match wanted {
        Wanted::Equals(Json::Null) => false,
        Wanted::Equals(Json::Bool(wanted)) if value.of == Type::BOOL => (text == "t") == *wanted,
        Wanted::Equals(Json::Bool(_)) => return Ok(Answer::not(not_comparable("a truth value"))),
        Wanted::Equals(Json::Number(number)) | Wanted::AtLeast(number) => {
            if !is_number(&value.of) {
                return Ok(Answer::not(not_comparable("a number")));
            }
            if number.as_f64().is_none_or(|float| number.is_f64() && float.abs() >= EXACT_BELOW) {
                let found = Answer::not(format!("{seen}; {number} may have lost digits when it was read"));
                return Ok(found.because("write it as a text, and the query's value too: `SELECT (…)::text`"));
            }
            let (equal, at_least) = decimals(client, text, number).await?;
            if matches!(wanted, Wanted::AtLeast(_)) { at_least } else { equal }
        }
        Wanted::Equals(Json::String(wanted)) => {
            let help = match &value.of {
                of if is_number(of) => "give the number without quotes",
                of if is_time(of) => "times are compared by `newer_than`",
                of if *of == Type::BOOL => "give `true` or `false` without quotes",
                // Which is padded to its length.
                of if *of == Type::BPCHAR => {
                    let holds = text.trim_end_matches(' ') == wanted.trim_end_matches(' ');
                    return Ok(Answer { holds, ..Answer::not(seen) });
                }
                _ => return Ok(Answer { holds: text == wanted, ..Answer::not(seen) }),
            };
            return Ok(Answer::not(not_comparable("a text")).because(help));
        }
        Wanted::Equals(_) => return Ok(Answer::not(not_comparable("a list or an object"))),
        Wanted::NewerThan(span) => {
            if !is_time(&value.of) {
                return Ok(Answer::not(not_comparable("a time")));
            }
            return Ok(match age(client, text, &value.of, target).await? {
                Age::Of(age) => {
                    let gaps = age.gap().into_iter().collect();
                    Answer { holds: age.at_most(span), gaps, ..Answer::not(format!("{seen}, {age}")) }
                }
                Age::Endless => Answer::not(format!("{seen}, which is no time")),
            });
        }
    };
    Ok(Answer { holds, ..Answer::not(seen) })
}

/// Whether a value equals a number, and whether it is at least that; no number is. PostgreSQL compares: its decimals are exact.
async fn decimals(client: &Client, text: &str, number: &Number) -> Result<(bool, bool), NoValue> {
    const COMPARE: &str = "SELECT v = w AND v <> 'NaN', v >= w AND v <> 'NaN' \
                           FROM (SELECT $1::text::numeric AS v, $2::text::numeric AS w) numbers";
    let row = client.query_one(COMPARE, &[&text, &number.to_string()]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

fn is_number(of: &Type) -> bool {
    [Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT4, Type::FLOAT8, Type::OID].contains(of)
}

pub(super) fn is_time(of: &Type) -> bool {
    [Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::DATE].contains(of)
}

//! Spans of time as people write them: `30m`, `1h 30m`, `36h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A span of time that is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A text that is no span of time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no span of time such as `30m` or `1h 30m`")]
pub struct NotASpan(String);

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let refused = || NotASpan(text.to_owned());
        let parsed: SignedDuration = text.parse().map_err(|_| refused())?;
        Duration::try_from(parsed).map(Span).map_err(|_| refused())
    }
}

impl TryFrom<String> for Span {
    type Error = NotASpan;

    fn try_from(text: String) -> Result<Self, NotASpan> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(span) => write!(f, "{span:#}"),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A span of time, such as `30m` or `1h 30m`.", "examples": ["30m", "1h 30m"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_people_write_them() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(span("30m").unwrap(), 1800);
        assert_eq!(span("1h 30m").unwrap(), 5400);
        assert_eq!(span("2h").unwrap(), 7200);
        assert_eq!("1h 30m".parse::<Span>().unwrap().to_string(), "1h 30m");
        for wrong in ["", "30", "-5m", "soon"] {
            assert!(span(wrong).unwrap_err().to_string().contains("is no span of time"), "{wrong}");
        }
    }
}

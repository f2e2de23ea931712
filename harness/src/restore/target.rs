//! The point in time that a drill asks for.

use jiff::Timestamp;

use super::span::Span;

/// As the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The drill's own start, or so long before it.
    Before(Span),
    /// A time that was given with its zone.
    At(Timestamp),
}

/// A text that is no target.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no point in time: `now`, a span before now (`15m`), or a time with its zone")]
pub struct NotATarget(String);

impl Target {
    /// # Errors
    /// When `text` is none of the three.
    pub fn parse(text: &str) -> Result<Self, NotATarget> {
        if text == "now" {
            return Ok(Target::default());
        }
        // Spaces instead of the `T` are how PostgreSQL writes times.
        let time = text.replacen(' ', "T", 1).parse();
        if let Ok(time) = time {
            return Ok(Target::At(time));
        }
        text.parse().map(Target::Before).map_err(|_| NotATarget(text.to_owned()))
    }

    /// In microseconds, which is all that PostgreSQL knows.
    pub fn time(self, now: Timestamp) -> Timestamp {
        let time = match self {
            Target::Before(span) => now.checked_sub(span.0).unwrap_or(Timestamp::MIN),
            Target::At(time) => time,
        };
        Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
    }
}

impl Default for Target {
    fn default() -> Self {
        Target::Before(Span(std::time::Duration::ZERO))
    }
}

/// As a `postgresql` manifest wants it: with an offset, since a `Z` is refused.
pub(super) fn in_manifest(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_now_or_before_or_a_time() {
        let now: Timestamp = "2026-11-25T22:00:00.1234567Z".parse().unwrap();
        let at = |text: &str| in_manifest(Target::parse(text).unwrap().time(now));
        assert_eq!(at("now"), "2026-11-25T22:00:00.123456+00:00");
        assert_eq!(at("15m"), "2026-11-25T21:45:00.123456+00:00");
        assert_eq!(at("2026-11-24 03:00:00+01"), "2026-11-24T02:00:00.000000+00:00");
        assert_eq!(at("2026-11-24T03:00:00Z"), "2026-11-24T03:00:00.000000+00:00");
        for wrong in ["yesterday", "2026-11-24T03:00:00", ""] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}

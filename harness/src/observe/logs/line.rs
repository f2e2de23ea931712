//! One line of a log: who wrote it, how bad it says it is, and its message without the writer's frame.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::observe::catalogue::{Level, Source};

/// A line with a frame that was recognised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    pub(crate) source: Source,
    pub(crate) level: Level,
    pub(crate) message: Cow<'t, str>,
}

struct Format {
    source: Source,
    frame: Regex,
}

/// The formats, each with the groups `level` and `message`. The first that matches decides.
static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let format =
        |source, frame: &str| Format { source, frame: Regex::new(frame).expect("a constant, and tested") };
    vec![
        // time="2026-11-24T03:00:00Z" level=error msg="…" cluster-name=default/acid-orders pkg=cluster
        format(
            Source::Operator,
            r#"^time="[^"]*" level=(?P<level>\w+) msg=(?P<message>"(?:[^"\\]|\\.)*"|\S+)"#,
        ),
        // W1123 12:00:00.000000       1 warnings.go:70] …
        format(
            Source::ApiServer,
            r"^(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ warnings\.go:\d+\] (?P<message>.*)",
        ),
        format(
            Source::Operator,
            r"^(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ \S+:\d+\] (?P<message>.*)",
        ),
        // 2026-11-24 03:00:00,123 - bootstrapping - INFO - …
        format(
            Source::Spilo,
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d+ - [\w.]+ - (?P<level>[A-Z]+) - (?P<message>.*)",
        ),
        // 2026-11-24 03:00:00,123 maybe_pg_upgrade INFO: …
        format(Source::Spilo, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ \w+ (?P<level>[A-Z]+): (?P<message>.*)"),
        // 2026-11-24 03:00:00,123 INFO: …
        format(Source::Patroni, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?P<level>[A-Z]+): (?P<message>.*)"),
        // ERROR: 2026/11/24 03:00:00.123456 …
        format(
            Source::WalG,
            r"^(?:<\d+>)?(?P<level>[A-Z]+): \d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?P<message>.*)",
        ),
        // 2026-11-24 03:00:00.123 UTC,"user","db",12,"host:1",65f,1,"",2026-…,,0,LOG,00000,"message",…
        format(
            Source::Postgres,
            r#"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \w+,.*?,(?P<level>LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DEBUG\d),\w{5},"(?P<message>(?:[^"]|"")*)"#,
        ),
        // 2026-11-24 03:00:00 UTC [12]: [1-1] 65f.c 0     LOG:  …, and initdb's own without the session's fields
        format(
            Source::Postgres,
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z+\-0-9]+ \[\d+\].*?\b(?P<level>LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|DEBUG\d):\s+(?P<message>.*)",
        ),
        // initdb: warning: …, pg_ctl: error: …, psql:file:1: ERROR: …
        format(
            Source::Postgres,
            r"^(?:\S*/)?(?:initdb|pg_\w+|psql|postgres|createdb|vacuumdb)(?::\S+)?: (?P<level>warning|error|fatal|hint|detail|ERROR|WARNING|NOTICE|FATAL):\s+(?P<message>.*)",
        ),
        // Plain words at the beginning: shell scripts, Go's log, Python's logging without a format
        format(
            Source::Unknown,
            r"^(?P<level>ERROR|FATAL|PANIC|CRITICAL|WARNING|WARN|error|fatal|panic)\b:?\s+(?P<message>.*)",
        ),
    ]
});

/// Recognises a line's frame; `None` where it has none.
pub(crate) fn recognise(line: &str) -> Option<Line<'_>> {
    FORMATS.iter().find_map(|format| {
        let found = format.frame.captures(line)?;
        let message = found.name("message")?.as_str();
        // Only logrus quotes a message as a whole; klog's begins and ends with quotes of its own.
        let message = if line.starts_with("time=") { unquote(message) } else { Cow::Borrowed(message) };
        Some(Line { source: format.source, level: level(&found), message })
    })
}

fn level(found: &Captures) -> Level {
    match found.name("level").map_or("", |level| level.as_str()).to_ascii_lowercase().as_str() {
        "e" | "f" | "error" | "fatal" | "panic" | "critical" => Level::Error,
        "w" | "warn" | "warning" => Level::Warning,
        _ => Level::Info,
    }
}

/// logrus quotes a message that holds a blank, and escapes in it what Go's `%q` escapes: JSON's escapes and a few rare ones.
fn unquote(message: &str) -> Cow<'_, str> {
    let Some(inner) = message.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(message);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str(message).map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_program_is_recognised_by_its_frame() {
        for (line, source, level, message) in [
            (
                r#"time="2026-11-24T03:00:00Z" level=error msg="could not \"grease\" the wheels" cluster-name=ns/acid-orders pkg=cluster worker=0"#,
                Source::Operator,
                Level::Error,
                r#"could not "grease" the wheels"#,
            ),
            (
                r#"time="2026-11-24T03:00:00Z" level=info msg=done pkg=cluster"#,
                Source::Operator,
                Level::Info,
                "done",
            ),
            (
                "W1123 12:00:00.000000       1 warnings.go:70] v1 Endpoints is deprecated in v1.33+",
                Source::ApiServer,
                Level::Warning,
                "v1 Endpoints is deprecated in v1.33+",
            ),
            (
                "E1123 12:00:00.000000       1 reflector.go:158] \"Unhandled Error\" err=\"x\"",
                Source::Operator,
                Level::Error,
                "\"Unhandled Error\" err=\"x\"",
            ),
            (
                "2026-11-24 03:00:00,123 - bootstrapping - WARNING - Cloning with WAL-E is only possible when",
                Source::Spilo,
                Level::Warning,
                "Cloning with WAL-E is only possible when",
            ),
            (
                "2026-11-24 03:00:00,123 maybe_pg_upgrade INFO: Retrying point-in-time recovery without target",
                Source::Spilo,
                Level::Info,
                "Retrying point-in-time recovery without target",
            ),
            (
                "2026-11-24 03:00:00,123 CRITICAL: system ID mismatch",
                Source::Patroni,
                Level::Error,
                "system ID mismatch",
            ),
            (
                "2026-11-24 03:00:00 UTC [123]: [1-1] 6564.7b 0     FATAL:  recovery ended before configured recovery target was reached",
                Source::Postgres,
                Level::Error,
                "recovery ended before configured recovery target was reached",
            ),
            (
                "2026-11-24 03:00:00.123 UTC [123] LOG:  starting archive recovery",
                Source::Postgres,
                Level::Info,
                "starting archive recovery",
            ),
            (
                r#"2026-11-24 03:00:00.123 UTC,,,123,,6564.7b,1,,2026-11-24 03:00:00 UTC,,0,FATAL,57P03,"the database system is starting up",,,,,,,,,"","client backend",,0"#,
                Source::Postgres,
                Level::Error,
                "the database system is starting up",
            ),
            (
                "ERROR: 2026/11/24 03:00:00.123456 Archive '00000002.history' does not exist.",
                Source::WalG,
                Level::Error,
                "Archive '00000002.history' does not exist.",
            ),
            (
                "pg_basebackup: error: connection to server failed",
                Source::Postgres,
                Level::Error,
                "connection to server failed",
            ),
            ("ERROR: something", Source::Unknown, Level::Error, "something"),
        ] {
            let seen = recognise(line).unwrap();
            assert_eq!((seen.source, seen.level, seen.message.as_ref()), (source, level, message), "{line}");
        }
    }

    #[test]
    fn output_without_a_frame_is_not_recognised() {
        assert_eq!(recognise("server started"), None);
        assert_eq!(recognise("  File \"/x.py\", line 1, in main"), None);
    }
}

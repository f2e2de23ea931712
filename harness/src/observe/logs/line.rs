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
        // 2026-11-24 03:00:00.123 - /scripts/postgres_backup.sh - ERROR: …, and without a level
        format(
            Source::Spilo,
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ - /\S+ - (?:(?P<level>[A-Z]+): )?(?P<message>.*)",
        ),
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
        // What starts programs and fails to: sh: 1: wal-g: not found, envdir: fatal: …, timeout: failed to run command …
        format(
            Source::Unknown,
            r"(?i)^(?:\S*/)?(?:ba|da)?sh(?::\S+)*(?:: line \d+|: \d+)?: (?P<message>.*(?P<level>not found|no such file or directory|permission denied|cannot execute|cannot open|error|unexpected|bad substitution|unbound variable|parameter not set).*)",
        ),
        format(
            Source::Unknown,
            r"(?i)^(?:\S*/)?(?:timeout|env|envdir|exec|nice|chpst|python\S*|wal-g|wal-e|patroni): (?P<message>.*(?P<level>not found|no such file or directory|permission denied|failed to|can't|cannot|unable to|error|fatal|invalid).*)",
        ),
        // Of cron, in front of what it refused
        format(Source::Unknown, r"^(?P<message>(?P<level>error)s in crontab file, can't install.*)"),
        // /scripts/x.sh: line 3: 12 Segmentation fault (core dumped) …
        format(
            Source::Unknown,
            r"^(?P<message>(?:\S+: line \d+:\s+\d+ )?(?P<level>Segmentation fault|Bus error|Aborted|Killed|Illegal instruction|Floating point exception)\b.*)",
        ),
        // Plain words at the beginning: shell scripts, Go's log, Python's logging without a format
        format(
            Source::Unknown,
            r"^(?:\S+: )?(?i:(?P<level>error|fatal|panic|critical|warning|warn)):\s+(?P<message>.*)",
        ),
        format(Source::Unknown, r"^(?P<level>ERROR|FATAL|PANIC|CRITICAL|WARNING|WARN)\b\s+(?P<message>.*)"),
    ]
});

/// Recognises a line's frame; `None` where it has none.
pub(crate) fn recognise(line: &str) -> Option<Line<'_>> {
    if line.starts_with('{') {
        return json(line);
    }
    // Azure's code for an answer, in the middle of an error of WAL-G 3.
    if line.starts_with("ERROR CODE: ") {
        return None;
    }
    FORMATS.iter().find_map(|format| {
        let found = format.frame.captures(line)?;
        let message = found.name("message")?.as_str();
        // Only logrus quotes a message as a whole; klog's begins and ends with quotes of its own.
        let message = if line.starts_with("time=") { unquote(message) } else { Cow::Borrowed(message) };
        Some(Line { source: format.source, level: level(&found), message })
    })
}

/// Processes of one container write at once: a frame that begins within a line begins a line of its own.
pub(super) fn within(line: &str) -> Option<usize> {
    static FRAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:\w+ )?(?:INFO|WARNING|ERROR|CRITICAL): ")
            .expect("a constant, and tested")
    });
    FRAME.find(line).map(|found| found.start()).filter(|start| *start > 0)
}

fn level(found: &Captures) -> Level {
    named(found.name("level").map_or("", |level| level.as_str()))
}

fn named(level: &str) -> Level {
    match level.to_ascii_lowercase().as_str() {
        "" | "i" | "info" | "debug" | "trace" | "log" | "notice" => Level::Info,
        "w" | "warn" | "warning" => Level::Warning,
        "detail" | "hint" | "statement" | "context" | "query" | "location" => Level::Info,
        debug if debug.starts_with("debug") => Level::Info,
        // The formats name no other words but those of errors.
        _ => Level::Error,
    }
}

/// The operator with JSON logging (logrus), Patroni's `log.type: json`, PostgreSQL's `jsonlog`.
fn json(line: &str) -> Option<Line<'_>> {
    let object: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| object.get(key).and_then(serde_json::Value::as_str);
    let (source, level, message) = [
        (Source::Operator, "level", "msg"),
        (Source::Postgres, "error_severity", "message"),
        (Source::Patroni, "levelname", "message"),
        (Source::Patroni, "level", "message"),
    ]
    .into_iter()
    .find_map(|(source, level, message)| Some((source, text(level)?, text(message)?)))?;
    Some(Line { source, level: named(level), message: Cow::Owned(message.to_owned()) })
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
            ("Error: something", Source::Unknown, Level::Error, "something"),
            (
                "2026-11-24 03:00:00.123 - /scripts/postgres_backup.sh - ERROR: pg_isready failed",
                Source::Spilo,
                Level::Error,
                "pg_isready failed",
            ),
            (
                "2026-11-24 03:00:00.123 - /scripts/postgres_backup.sh - producing a new backup",
                Source::Spilo,
                Level::Info,
                "producing a new backup",
            ),
            (
                "envdir: fatal: unable to switch to directory /x: file does not exist",
                Source::Unknown,
                Level::Error,
                "fatal: unable to switch to directory /x: file does not exist",
            ),
            ("sh: 1: wal-g: not found", Source::Unknown, Level::Error, "wal-g: not found"),
            (
                "/bin/bash: line 1: wal-g: command not found",
                Source::Unknown,
                Level::Error,
                "wal-g: command not found",
            ),
            (
                "timeout: failed to run command 'wal-g': No such file or directory",
                Source::Unknown,
                Level::Error,
                "failed to run command 'wal-g': No such file or directory",
            ),
            (
                "/scripts/x.sh: line 3:    12 Segmentation fault      (core dumped) wal-g wal-push",
                Source::Unknown,
                Level::Error,
                "/scripts/x.sh: line 3:    12 Segmentation fault      (core dumped) wal-g wal-push",
            ),
            ("Segmentation fault", Source::Unknown, Level::Error, "Segmentation fault"),
            (
                r#"{"cluster-name":"ns/acid","level":"error","msg":"could not \"x\"","time":"2026-11-24T03:00:00Z"}"#,
                Source::Operator,
                Level::Error,
                r#"could not "x""#,
            ),
            (
                r#"{"levelname":"WARNING","message":"Loop time exceeded","asctime":"x"}"#,
                Source::Patroni,
                Level::Warning,
                "Loop time exceeded",
            ),
        ] {
            let seen = recognise(line).unwrap();
            assert_eq!((seen.source, seen.level, seen.message.as_ref()), (source, level, message), "{line}");
        }
    }

    #[test]
    fn output_without_a_frame_is_not_recognised() {
        assert_eq!(recognise("server started"), None);
        assert_eq!(recognise("  File \"/x.py\", line 1, in main"), None);
        assert_eq!(recognise("ERROR CODE: AuthorizationFailure"), None);
        for quiet in
            ["selecting default shared_buffers ... 128MB", "/var/run/postgresql:5432 - no response", "{}"]
        {
            assert_eq!(recognise(quiet), None, "{quiet}");
        }
    }
}

//! Lines that belong together: a message and its traceback, its Go stack, or its continuation.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::line;
use crate::observe::catalogue::{Level, Source};

/// One message of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'t> {
    pub(super) source: Source,
    pub(super) level: Level,
    message: Cow<'t, str>,
    /// All of it as it was printed.
    lines: Vec<&'t str>,
    /// The line of a traceback that names the exception.
    exception: Option<&'t str>,
}

impl Record<'_> {
    /// What the message says, in one line; a traceback's frames are left out, since they vary by version.
    pub(super) fn headline(&self) -> Cow<'_, str> {
        let first = self.message.lines().next().unwrap_or_default();
        match self.exception {
            Some(exception) if first.starts_with(TRACEBACK) => Cow::Borrowed(exception),
            Some(exception) => Cow::Owned(format!("{first}: {exception}")),
            None => Cow::Borrowed(first),
        }
    }

    /// All of it as it was printed.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self.lines.as_slice() {
            [only] => Cow::Borrowed(only),
            lines => Cow::Owned(lines.join("\n")),
        }
    }
}

static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[A-Za-z_][\w.]*)?(?:Error|Exception)(?:: |$)").expect("a constant, and tested")
});

const TRACEBACK: &str = "Traceback (most recent call last):";

/// Splits a container's output into records.
pub(super) fn split(text: &str) -> Vec<Record<'_>> {
    let mut records: Vec<Record> = Vec::new();
    let mut traceback = false;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(seen) = line::recognise(line) {
            traceback = false;
            records.push(Record {
                source: seen.source,
                level: seen.level,
                message: seen.message,
                lines: vec![line],
                exception: None,
            });
        } else if line == TRACEBACK {
            traceback = true;
            match records.last_mut() {
                Some(last) if last.level == Level::Error && last.source != Source::WalG => {
                    last.lines.push(line)
                }
                _ => records.push(loose(line, Level::Error)),
            }
        } else if let (true, Some(last)) = (traceback, records.last_mut()) {
            if !line.is_empty() {
                last.lines.push(line);
            }
            // The first line that is not indented names the exception. Chained tracebacks begin anew.
            if !line.starts_with(' ') && !line.is_empty() {
                last.exception = Some(line);
                traceback = false;
            }
        } else if EXCEPTION.is_match(line) {
            // The last line of a traceback, where its writer leaves out the rest.
            match records.last_mut() {
                Some(last) if awaits_exception(last) => {
                    last.lines.push(line);
                    last.exception = Some(line);
                }
                _ => records.push(loose(line, Level::Error)),
            }
        } else if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            records.push(loose(line, Level::Error));
        } else if let Some(last) = records.last_mut().filter(|last| continues(last, line)) {
            last.lines.push(line);
        } else if !line.is_empty() {
            records.push(loose(line, Level::Info));
        }
    }
    records
}

fn loose(line: &str, level: Level) -> Record<'_> {
    Record {
        source: Source::Unknown,
        level,
        message: Cow::Borrowed(line),
        lines: vec![line],
        exception: None,
    }
}

/// An error that a Python program logged may be followed by the exception that caused it.
fn awaits_exception(last: &Record) -> bool {
    let of_python = matches!(last.source, Source::Patroni | Source::Spilo) && last.lines.len() == 1;
    last.level == Level::Error && (of_python || last.lines.last().is_some_and(|line| chains(line)))
}

/// Between the tracebacks of exceptions that caused one another.
fn chains(line: &str) -> bool {
    line.starts_with("During handling of the above")
        || line.starts_with("The above exception was the direct cause")
}

/// WAL-G prints an error's causes and stack on lines of their own, and so does a Go panic.
fn continues(last: &Record, line: &str) -> bool {
    let go = last.source == Source::WalG && last.level != Level::Info
        || last.lines[0].starts_with("panic: ")
        || last.lines[0].starts_with("fatal error: ");
    go || line.starts_with('\t') || chains(line) && last.exception.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_belongs_to_the_message_before_it() {
        let text = "2026-11-24 03:00:00,123 ERROR: Clone failed\n\
                    Traceback (most recent call last):\n  File \"/scripts/clone.py\", line 9, in main\n    run()\n\
                    Exception: Could not find any backups\n\
                    2026-11-24 03:00:01,000 INFO: next";
        let records = split(text);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].headline(), "Clone failed: Exception: Could not find any backups");
        assert_eq!(records[0].text().lines().count(), 5);
    }

    #[test]
    fn a_traceback_of_its_own_is_an_error_named_by_its_exception() {
        let records =
            split("hello\nTraceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'a'\n");
        assert_eq!(records[1].level, Level::Error);
        assert_eq!(records[1].headline(), "KeyError: 'a'");
    }

    #[test]
    fn chained_tracebacks_are_one_error_named_by_the_last() {
        let text = "2026-11-24 03:00:00,123 ERROR: Clone failed\nTraceback (most recent call last):\n  File\nKeyError: 'a'\n\n\
                    During handling of the above exception, another exception occurred:\n\n\
                    Traceback (most recent call last):\n  File\nValueError: b\n";
        let records = split(text);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].headline(), "Clone failed: ValueError: b");
    }

    #[test]
    fn an_exception_without_a_traceback_belongs_to_the_error_before_it() {
        let records = split(
            "2026-11-24 03:00:00,123 ERROR: Clone failed\nException: wal-e backup-fetch exited with exit code 1\nValueError: x",
        );
        assert_eq!(records.len(), 2);
        assert_eq!(
            records[0].headline(),
            "Clone failed: Exception: wal-e backup-fetch exited with exit code 1"
        );
        assert_eq!((records[1].level, records[1].headline().as_ref()), (Level::Error, "ValueError: x"));
    }

    #[test]
    fn an_error_of_wal_g_keeps_its_causes() {
        let text = "ERROR: 2026/11/24 03:00:00.123456 failed to list\n===== RESPONSE ERROR (ServiceCode=AuthenticationFailed) =====\n\tgithub.com/x\n";
        let records = split(text);
        assert_eq!(records.len(), 1);
        assert!(records[0].text().contains("AuthenticationFailed"));
        assert_eq!(records[0].headline(), "failed to list");
    }

    #[test]
    fn a_panic_and_its_stack_are_one_error() {
        let records = split(
            "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1\n",
        );
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].level, Level::Error);
    }
}

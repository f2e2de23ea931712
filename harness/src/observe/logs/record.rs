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
    /// Its frame was recognised.
    pub(super) framed: bool,
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

    /// What is said in it, without frames, stacks and other fields: the exception that caused it, where there is one, for
    /// that tells most, and else its message with the causes that WAL-G prints below.
    pub(super) fn words(&self) -> Cow<'_, str> {
        match (self.exception, self.source) {
            (Some(exception), _) => Cow::Borrowed(exception),
            (None, Source::WalG) if self.lines.len() > 1 => {
                let causes = self.lines.iter().skip(1).copied().filter(|line| !line.starts_with('\t'));
                Cow::Owned(
                    std::iter::once(self.message.as_ref()).chain(causes).collect::<Vec<_>>().join("\n"),
                )
            }
            (None, _) => Cow::Borrowed(self.message.as_ref()),
        }
    }

    /// The message that was logged, where an exception is said to have caused it.
    pub(super) fn logged(&self) -> Option<&str> {
        let logged = self.exception.is_some() && !self.message.starts_with(TRACEBACK);
        logged.then_some(self.message.as_ref())
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
    read(text).0
}

/// Whether a container may be about to say the rest of its last message.
pub(super) fn unfinished(text: &str) -> bool {
    let (records, traceback) = read(text);
    let cut = !text.is_empty() && !text.ends_with('\n');
    cut || traceback || records.last().is_some_and(|last| last.exception.is_none() && awaits_exception(last))
}

/// The records, and whether the last of them is in the middle of a traceback.
fn read(text: &str) -> (Vec<Record<'_>>, bool) {
    let mut records: Vec<Record> = Vec::new();
    let mut traceback = false;
    let lines = text.lines().flat_map(|line| {
        let (one, other) = line.split_at(line::within(line).unwrap_or(line.len()));
        [one, other].into_iter().take(if other.is_empty() { 1 } else { 2 })
    });
    for line in lines {
        let line = line.trim_end();
        if let Some(seen) = line::recognise(line) {
            traceback = false;
            records.push(Record {
                source: seen.source,
                level: seen.level,
                message: seen.message,
                lines: vec![line],
                exception: None,
                framed: true,
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
    (records, traceback)
}

fn loose(line: &str, level: Level) -> Record<'_> {
    Record {
        source: Source::Unknown,
        level,
        message: Cow::Borrowed(line),
        lines: vec![line],
        exception: None,
        framed: false,
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
    fn a_log_that_was_read_while_it_was_written_is_unfinished() {
        let whole =
            "2026-11-24 03:00:00,123 ERROR: Clone failed\nException: x\n2026-11-24 03:00:01,000 INFO: next\n";
        assert!(!unfinished(whole));
        assert!(!unfinished(&whole.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()));
        for cut in
            [&whole[..44], &whole[..50], "hello\nTraceback (most recent call last):\n  File \"x\", line 1\n"]
        {
            assert!(unfinished(cut), "{cut}");
        }
    }

    #[test]
    fn a_message_that_begins_within_another_ones_line_is_not_lost() {
        let records = split(
            "selecting default shared_buffers ... 2026-11-24 03:00:00,123 ERROR: x\n128MB\n2026-11-24 03:00:01,000 INFO: next\n",
        );
        assert_eq!((records[1].level, records[1].headline().as_ref()), (Level::Error, "x"));
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

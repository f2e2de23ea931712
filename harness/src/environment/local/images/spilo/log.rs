//! Log lines as Spilo's own scripts write them: wording and times must match what people search for.

use std::fmt::Display;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Which of Spilo's programs speaks; each has its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// `2026-01-02 03:04:05,678 - bootstrapping - INFO - …`, of the configuration at start.
    Bootstrapping,
    /// `2026-01-02 03:04:05,678 INFO: …`, of the clone scripts.
    Script,
}

impl Voice {
    pub(super) fn info(self, message: impl Display) {
        self.say("INFO", message);
    }

    pub(super) fn warning(self, message: impl Display) {
        self.say("WARNING", message);
    }

    pub(super) fn error(self, message: impl Display) {
        self.say("ERROR", message);
    }

    /// Says what the stand-in leaves out, and why: Spilo's image has everything.
    pub(super) fn left_out(what: &str, why: &str) {
        Voice::Bootstrapping.info(format_args!("The stand-in leaves out {what}: {why}"));
    }

    fn say(self, level: &str, message: impl Display) {
        eprintln!("{}", self.line(Timestamp::now(), level, &message.to_string()));
    }

    fn line(self, now: Timestamp, level: &str, message: &str) -> String {
        let time = now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
        match self {
            Voice::Bootstrapping => format!("{time} - bootstrapping - {level} - {message}"),
            Voice::Script => format!("{time} {level}: {message}"),
        }
    }
}

/// `2026-01-02 03:04:05.678 - /scripts/postgres_backup.sh - …`, of the shell scripts, on stdout.
pub(super) fn shell(script: &str, message: impl Display) {
    println!("{}", shell_line(Timestamp::now(), script, &message.to_string()));
}

fn shell_line(now: Timestamp, script: &str, message: &str) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string();
    format!("{time} - {script} - {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_spilos() {
        let now: Timestamp = "2026-01-02T03:04:05.0679Z".parse().unwrap();
        assert_eq!(
            Voice::Bootstrapping.line(now, "INFO", "Configuring wal-e"),
            "2026-01-02 03:04:05,067 - bootstrapping - INFO - Configuring wal-e"
        );
        assert_eq!(
            Voice::Script.line(now, "ERROR", "Clone failed"),
            "2026-01-02 03:04:05,067 ERROR: Clone failed"
        );
        assert_eq!(
            shell_line(now, "/scripts/postgres_backup.sh", "producing a new backup"),
            "2026-01-02 03:04:05.067 - /scripts/postgres_backup.sh - producing a new backup"
        );
    }
}

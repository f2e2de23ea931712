//! Shows a run: progress on stderr while it goes on, the report on stdout at its end.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::style::Style;
use super::{DrillReport, Event, RunError, details, json, summary, worst};
use crate::exit::Verdict;

/// Which drill an event is from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DrillId {
    /// What the scenario or restore drill is called.
    pub scenario: String,
    /// The operator's version, or its name in the configuration file.
    pub operator: String,
}

impl std::fmt::Display for DrillId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.scenario)?;
        // A cluster that exists has an operator of its own.
        if self.operator.is_empty() { Ok(()) } else { write!(f, " {}", self.operator) }
    }
}

/// What stands on stdout at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The terminal, or what takes its place. Can be shared by drills that run at the same time.
pub struct Terminal {
    format: Format,
    start: Instant,
    progress: Mutex<Progress>,
}

impl Terminal {
    /// A terminal that prints in this format at the end.
    pub fn new(format: Format) -> Self {
        Terminal { format, start: Instant::now(), progress: Mutex::new(Progress::on_stderr()) }
    }

    /// Shows what a drill tells.
    pub fn event(&self, drill: &DrillId, event: &Event) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).event(drill, event);
    }

    /// Prints the report of all drills, and says what became of them together; an interrupted run is interrupted
    /// whatever its drills were.
    pub fn finish(&self, reports: &[DrillReport], interrupted: bool) -> Verdict {
        let verdict = if interrupted { Verdict::Interrupted } else { worst(reports) };
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let stdout = std::io::stdout();
        let wall = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = match self.format {
            Format::Text => text(reports, wall, Style::of(&stdout)),
            Format::Json => document(verdict, reports, &[]),
        };
        print(&text);
        verdict
    }

    /// Prints why nothing was run, for machines: people read the error itself.
    pub fn fail(format: Format, verdict: Verdict, errors: &[RunError]) {
        if format == Format::Json {
            print(&document(verdict, &[], errors));
        }
    }
}

fn document(verdict: Verdict, reports: &[DrillReport], errors: &[RunError]) -> String {
    json::render(verdict, reports, errors)
        .unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string()))
}

/// A reader that went away (`| head`) is no reason for another verdict.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end());
    let _ = stdout.flush();
}

/// Beyond so many drills, those that passed are lines of the table only.
const FEW: usize = 3;

fn text(reports: &[DrillReport], wall_milliseconds: u64, style: Style) -> String {
    let shown = reports.iter().filter(|report| reports.len() <= FEW || report.verdict != Verdict::Passed);
    let mut text: String = shown.map(|report| format!("\n{}", details::render(report, style))).collect();
    text.push('\n');
    text.push_str(&summary::render(reports, wall_milliseconds, style));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn of_many_drills_only_those_that_did_not_pass_are_shown_in_full() {
        let mut reports = vec![samples::passed(); 5];
        reports.push(samples::broken());
        let text = text(&reports, 1_000, Style::plain());
        assert_eq!(text.matches("storage   reads").count(), 0);
        assert_eq!(text.matches("address already in use").count(), 1);
        assert!(text.ends_with("6 drills: 5 passed, 1 broken in 1.0 s\n"));
    }

    #[test]
    fn the_worst_verdict_is_that_of_the_run() {
        let with = |verdict| DrillReport { verdict, ..samples::passed() };
        let all = [Verdict::Passed, Verdict::Failed, Verdict::Invalid, Verdict::Interrupted, Verdict::Broken];
        for (index, verdict) in all.into_iter().enumerate() {
            let reports: Vec<_> = all[..=index].iter().rev().copied().map(with).collect();
            assert_eq!(worst(&reports), verdict);
        }
        assert_eq!(worst(&[]), Verdict::Passed);
    }
}

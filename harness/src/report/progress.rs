//! What is going on right now: a spinner line for each running drill, or plain lines where nobody watches.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::style::Style;
use super::text::{cut, duration, printable};
use super::{DrillId, DrillReport, Event};

/// A wait that is longer than this is told of where nobody watches, too; each time that much later.
const SILENCE: Duration = Duration::from_secs(10);

/// Where progress goes.
pub(super) enum Progress {
    /// A terminal: one line for each running drill, above them a line for each that ended.
    Lines { all: MultiProgress, running: BTreeMap<DrillId, Running>, style: Style },
    /// A file or a pipe: a line for each step that ended, and now and then one for what is waited for.
    Plain { out: Box<dyn Write + Send>, style: Style, quiet_since: BTreeMap<DrillId, Instant> },
}

/// A drill's spinner and the step that it is in.
pub(super) struct Running {
    bar: ProgressBar,
    step: String,
}

impl Progress {
    /// Spinners on stderr where it is a terminal, plain lines otherwise.
    pub(super) fn on_stderr() -> Self {
        let stderr = std::io::stderr();
        let style = Style::of(&stderr);
        if std::io::IsTerminal::is_terminal(&stderr) {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            return Progress::Lines { all, running: BTreeMap::new(), style };
        }
        Progress::Plain { out: Box::new(stderr), style, quiet_since: BTreeMap::new() }
    }

    pub(super) fn event(&mut self, drill: &DrillId, event: &Event) {
        match self {
            Progress::Lines { all, running, style } => watched(all, running, *style, drill, event),
            Progress::Plain { out, style, quiet_since } => {
                let now = Instant::now();
                let since = *quiet_since.entry(drill.clone()).or_insert(now);
                if let Some(line) = plain_line(drill, event, now.duration_since(since), *style) {
                    quiet_since.insert(drill.clone(), now);
                    // Nobody to tell that stderr is gone; the report still comes.
                    let _ = writeln!(out, "{line}");
                }
            }
        }
    }

    /// Takes the spinners away before the report is printed.
    pub(super) fn clear(&mut self) {
        if let Progress::Lines { all, running, .. } = self {
            for drill in std::mem::take(running).into_values() {
                drill.bar.finish_and_clear();
            }
            let _ = all.clear();
        }
    }
}

fn watched(
    all: &MultiProgress,
    running: &mut BTreeMap<DrillId, Running>,
    style: Style,
    drill: &DrillId,
    event: &Event,
) {
    if let Event::Finished { report } = event {
        if let Some(drill) = running.remove(drill) {
            drill.bar.finish_and_clear();
        }
        let _ = all.println(ended(drill, report, style));
        return;
    }
    let line = running
        .entry(drill.clone())
        .or_insert_with(|| Running { bar: spinner(all, drill), step: String::new() });
    match event {
        Event::Progress { text } => {
            let text = cut(&printable(text).replace('\n', " "), 200);
            let gap = if line.step.is_empty() || text.is_empty() { "" } else { ": " };
            line.bar.set_message(format!("{}{gap}{text}", line.step));
        }
        Event::StepStarted { index, of, title } => {
            line.step = format!("{index}/{of} {}", printable(title));
            line.bar.set_message(line.step.clone());
        }
        Event::StepFinished { .. } | Event::Finished { .. } => {}
    }
}

fn spinner(all: &MultiProgress, drill: &DrillId) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    // A template is constant; should indicatif ever refuse it, its own default will do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed:>4}  {wide_msg}") {
        bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    }
    bar.set_prefix(drill.to_string());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn ended(drill: &DrillId, report: &DrillReport, style: Style) -> String {
    format!("{}  {drill}  {}", style.verdict(report.verdict, 6), duration(report.milliseconds))
}

/// `None` for what only someone who watches wants to know. `silent` is how long nothing was said of the drill.
fn plain_line(drill: &DrillId, event: &Event, silent: Duration, style: Style) -> Option<String> {
    match event {
        Event::Progress { text } => {
            let text = cut(&printable(text).replace('\n', " "), 200);
            (silent >= SILENCE).then(|| format!("{drill}: {text}"))
        }
        Event::StepStarted { .. } => None,
        Event::StepFinished { index, of, title, milliseconds, note } => {
            let note = if note.is_empty() { String::new() } else { format!("  ({})", printable(note)) };
            Some(format!("{drill}: {index}/{of} {}  {}{note}", printable(title), duration(*milliseconds)))
        }
        Event::Finished { report } => Some(ended(drill, report, style)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn without_a_terminal_each_step_is_a_line_when_it_ends() {
        let drill = DrillId { scenario: "clone-same-account".to_owned(), operator: "v1.15.1".to_owned() };
        let title = "create source".to_owned();
        let events = [
            Event::StepStarted { index: 1, of: 2, title: title.clone() },
            Event::Progress { text: "pod acid-orders-0: not ready".to_owned() },
            Event::StepFinished {
                index: 1,
                of: 2,
                title,
                milliseconds: 4_020,
                note: "PostgreSQL 15".to_owned(),
            },
            Event::Finished { report: Box::new(samples::passed()) },
        ];
        let lines: Vec<_> = events
            .iter()
            .filter_map(|event| plain_line(&drill, event, Duration::from_secs(9), Style::plain()))
            .collect();
        assert_eq!(
            lines,
            [
                "clone-same-account v1.15.1: 1/2 create source  4.0 s  (PostgreSQL 15)",
                "passed  clone-same-account v1.15.1  16.2 s"
            ]
        );
        let silent = |seconds| plain_line(&drill, &events[1], Duration::from_secs(seconds), Style::plain());
        assert_eq!(silent(10).as_deref(), Some("clone-same-account v1.15.1: pod acid-orders-0: not ready"));
    }
}

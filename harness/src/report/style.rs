//! Colours, where somebody looks and wants them.

use std::io::IsTerminal;

use crate::exit::Verdict;

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    colours: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    Good,
    Bad,
    Odd,
    Strong,
    Faint,
}

impl Style {
    pub(super) fn plain() -> Self {
        Style { colours: false }
    }

    #[cfg(test)]
    pub(super) fn coloured() -> Self {
        Style { colours: true }
    }

    /// Colours on a terminal only, and not where `NO_COLOR` is set.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Style { colours: stream.is_terminal() && !unwanted && !dumb }
    }

    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Odd => "33",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// `width` columns wide, since colours count as none.
    pub(super) fn verdict(self, verdict: Verdict, width: usize) -> String {
        let paint = match verdict {
            Verdict::Passed => Paint::Good,
            Verdict::Failed | Verdict::Broken => Paint::Bad,
            Verdict::Invalid | Verdict::Interrupted => Paint::Odd,
        };
        self.paint(paint, &format!("{:<width$}", word(verdict)))
    }
}

/// The verdict as reports show it.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::Invalid => "INVALID",
        Verdict::Broken => "BROKEN",
        Verdict::Interrupted => "interrupted",
    }
}

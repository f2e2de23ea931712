//! Bars along the time: where it went, at a glance.

use maud::{Markup, html};

use crate::report::text::duration;
use crate::report::{Phase, RecoveryPhase};

/// All in user units; the page scales the picture.
const WIDTH: u64 = 1000;
const TITLES: u64 = 300;
const TIMES: u64 = 90;
const ROW: usize = 22;

/// Times in milliseconds.
struct Bar<'a> {
    title: &'a str,
    /// Since the picture's begin.
    begin: u64,
    length: u64,
}

/// A row for each phase of a drill, one below and after the other.
pub(super) fn picture(phases: &[Phase]) -> Markup {
    let mut begin = 0;
    let bars = phases.iter().map(|phase| {
        let bar = Bar { title: &phase.title, begin, length: phase.milliseconds };
        begin += phase.milliseconds;
        bar
    });
    bars_of(&bars.collect::<Vec<_>>(), TITLES, "Time of each phase")
}

/// A row for each phase of a recovery, where it stood in time.
pub(super) fn of_recovery(phases: &[RecoveryPhase]) -> Markup {
    let first = phases.iter().map(|phase| phase.began).min();
    let bars = phases.iter().map(|phase| {
        let begin = first.map(|first| phase.began.duration_since(first).as_millis()).unwrap_or_default();
        let begin = u64::try_from(begin).unwrap_or_default();
        Bar { title: phase.phase.name(), begin, length: phase.milliseconds }
    });
    bars_of(&bars.collect::<Vec<_>>(), TITLES / 3, "Phases of the recovery")
}

fn bars_of(bars: &[Bar<'_>], titles: u64, label: &str) -> Markup {
    let all = bars.iter().map(|bar| bar.begin + bar.length).max().unwrap_or(0).max(1);
    let longest = bars.iter().map(|bar| bar.length).max().unwrap_or(0);
    let wide = |milliseconds: u64| milliseconds * (WIDTH - titles - TIMES) / all;
    html! {
        svg class="timeline" viewBox={ "0 0 " (WIDTH) " " (bars.len() * ROW) } role="img" aria-label=(label) {
            @for (index, bar) in bars.iter().enumerate() {
                text x="0" y=(index * ROW + 15) { (bar.title) }
                rect class=[(bar.length == longest).then_some("longest")] x=(titles + wide(bar.begin)) y=(index * ROW + 4)
                    width=(wide(bar.length).max(2)) height="14" rx="2" {}
                text class="time" x=(titles + wide(bar.begin + bar.length) + 8) y=(index * ROW + 15) { (duration(bar.length)) }
            }
        }
    }
}

//! Bars along the time: where it went, at a glance.

use maud::{Markup, html};

use crate::report::text::duration;
use crate::report::{Phase, RecoveryPhase};

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
    bars_of(&bars.collect::<Vec<_>>(), "Time of each phase")
}

/// A row for each phase of a recovery, where it stood in time.
pub(super) fn of_recovery(phases: &[RecoveryPhase]) -> Markup {
    let first = phases.iter().map(|phase| phase.began).min();
    let bars = phases.iter().map(|phase| {
        let begin = first.map(|first| phase.began.duration_since(first).as_millis()).unwrap_or_default();
        let begin = u64::try_from(begin).unwrap_or_default();
        Bar { title: phase.phase.name(), begin, length: phase.milliseconds }
    });
    bars_of(&bars.collect::<Vec<_>>(), "Phases of the recovery")
}

/// Only the bars are scaled to the page's width: titles and times are texts of the page, and as big as its others.
fn bars_of(bars: &[Bar<'_>], label: &str) -> Markup {
    let all = bars.iter().map(|bar| bar.begin + bar.length).max().unwrap_or(0).max(1);
    let longest = bars.iter().map(|bar| bar.length).max().unwrap_or(0);
    let percent = |milliseconds: u64| format!("{:.2}%", milliseconds as f64 * 100.0 / all as f64);
    html! {
        div class="timeline" role="group" aria-label=(label) {
            @for bar in bars {
                div class="bar" {
                    span { (bar.title) }
                    span class="track" {
                        i class=[(bar.length == longest).then_some("longest")]
                            style={ "left:" (percent(bar.begin)) ";width:" (percent(bar.length)) } {}
                    }
                    span class="time" { (duration(bar.length)) }
                }
            }
        }
    }
}

//! Phases as bars: where the time went, at a glance.

use maud::{Markup, html};

use crate::report::Phase;
use crate::report::text::duration;

/// All in user units; the page scales the picture.
const WIDTH: u64 = 1000;
const TITLES: u64 = 300;
const TIMES: u64 = 90;
const ROW: usize = 22;

/// A row for each phase, one below and after the other.
pub(super) fn picture(phases: &[Phase]) -> Markup {
    let all = phases.iter().map(|phase| phase.milliseconds).sum::<u64>().max(1);
    let longest = phases.iter().map(|phase| phase.milliseconds).max().unwrap_or(0);
    let wide = |milliseconds: u64| milliseconds * (WIDTH - TITLES - TIMES) / all;
    let mut begin = 0;
    let rows: Vec<(u64, &Phase)> = phases
        .iter()
        .map(|phase| {
            let row = (begin, phase);
            begin += phase.milliseconds;
            row
        })
        .collect();
    html! {
        svg class="timeline" viewBox={ "0 0 " (WIDTH) " " (phases.len() * ROW) } role="img" aria-label="Time of each phase" {
            @for (index, (begin, phase)) in rows.iter().enumerate() {
                text x="0" y=(index * ROW + 15) { (phase.title) }
                rect class=[(phase.milliseconds == longest).then_some("longest")] x=(TITLES + wide(*begin)) y=(index * ROW + 4)
                    width=(wide(phase.milliseconds).max(2)) height="14" rx="2" {}
                text class="time" x=(TITLES + wide(begin + phase.milliseconds) + 8) y=(index * ROW + 15) { (duration(phase.milliseconds)) }
            }
        }
    }
}

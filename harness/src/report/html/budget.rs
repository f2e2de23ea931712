//! A measured time beside its budget, as a bar.

use maud::{Markup, html};

use crate::report::Measure;
use crate::report::text::duration;

/// All in user units; the page scales the picture.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 20;

pub(super) fn row(name: &str, about: &str, measure: Measure) -> Markup {
    let within = measure.within_budget();
    html! {
        div class="measure" {
            p {
                strong { (name) } " "
                span class=(if within { "good" } else { "bad" }) {
                    @if measure.at_most { "at most " }
                    (duration(measure.milliseconds))
                }
                @if let Some(budget) = measure.budget {
                    " " span class="faint" { "of " (duration(budget)) @if !within { ", over budget" } }
                }
            }
            @if let Some(budget) = measure.budget { (bar(measure.milliseconds, budget, within)) }
            p class="faint" { (about) }
        }
    }
}

/// The budget is a mark on the bar. It lies at three quarters, unless much more was taken.
fn bar(taken: u64, budget: u64, within: bool) -> Markup {
    let all = (budget * 4 / 3).max(taken).max(1);
    let wide = |milliseconds: u64| milliseconds * WIDTH / all;
    html! {
        svg class="budget" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label={ (duration(taken)) " of " (duration(budget)) } {
            rect class="room" x="0" y="3" width=(WIDTH) height="14" {}
            rect class=(if within { "good" } else { "bad" }) x="0" y="3" width=(wide(taken).max(2)) height="14" {}
            rect class="limit" x=(wide(budget).min(WIDTH - 3)) y="0" width="3" height=(HEIGHT) {}
        }
    }
}

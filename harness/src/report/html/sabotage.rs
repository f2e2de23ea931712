//! The page of `clonedrill sabotage`: what would have been noticed of each fault, and when.

use std::path::Path;

use maud::{Markup, html};

use super::{HtmlError, document, write_page};
use crate::report::sabotage::{Noticed, Sabotage, SabotageLine};

/// Writes the page; missing folders are made.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, sabotage: &Sabotage) -> Result<(), HtmlError> {
    write_page(path, page(sabotage))
}

fn page(sabotage: &Sabotage) -> Markup {
    let title = format!("clonedrill: sabotage of {}", sabotage.what);
    let body = html! {
        h1 { "What would you have noticed, and when?" }
        p class="faint" { "Sabotage of " code { (sabotage.what) } ": it reads backups in " code { (sabotage.reads) }
            @match &sabotage.writes {
                Some(account) => { " and archives into " code { (account) } "." }
                None => { " and archives nothing." }
            }
        }
        @for line in sabotage.summary() { p { (line) } }
        @for noticed in Noticed::ALL {
            @let number = sabotage.of(noticed).count();
            @if number > 0 {
                h3 class=(class(noticed)) { (noticed.heading()) " (" (number) ")" }
                (table(sabotage.of(noticed)))
            }
        }
        @if !sabotage.left_out.is_empty() {
            p class="faint" { "Left out, since this restore has nothing of the kind: " (sabotage.left_out.join(", ")) "." }
        }
        p class="faint" { code { "clonedrill catalogue" } " explains each name; " code { "clonedrill run <file>" } " does one again." }
    };
    document(&title, body)
}

fn class(noticed: Noticed) -> &'static str {
    match noticed {
        Noticed::Nobody => "bad",
        Noticed::NothingToNotice => "good",
        _ => "",
    }
}

fn table<'a>(lines: impl Iterator<Item = &'a SabotageLine>) -> Markup {
    html! {
        table {
            tr { th { "Fault" } th { "What you would have noticed" } th { "When" } th { "Do it again" } }
            @for line in lines {
                tr {
                    td { strong { (line.fault) } br; span class="faint" { (line.about) } }
                    td { (line.seen()) }
                    td { (line.when()) }
                    td { code { (line.file.display()) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sabotage::tests::sample;

    #[test]
    fn the_page_has_every_fault_and_asks_nobody_for_anything() {
        let sample = sample();
        let page = page(&sample).into_string();
        for line in &sample.faults {
            assert!(page.contains(&line.fault) && page.contains(&line.seen()), "{}: {page}", line.fault);
        }
        for outside in ["http://", "https://", "<script", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}

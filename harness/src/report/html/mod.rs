//! One page that holds everything about a run, and asks nobody for anything: no script, no font, no picture from outside.

mod budget;
mod context;
mod drill;
mod observations;
mod reproduce;
mod restore;
pub(super) mod sabotage;
mod timeline;

use std::path::{Path, PathBuf};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::{count, duration};
use super::{DrillReport, worst};
use crate::exit::Verdict;

const STYLE: &str = include_str!("style.css");
/// The browser itself refuses whatever the page would load.
const NOTHING_FROM_OUTSIDE: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A page that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("write the report {}: {source}", .path.display())]
pub struct HtmlError {
    path: PathBuf,
    source: std::io::Error,
}

/// Writes the page of a run to `path`; missing folders are made. The drills' evidence folders are read for what was
/// observed, and are free of secrets.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: &Path, reports: &[DrillReport]) -> Result<(), HtmlError> {
    write_page(path, page(reports))
}

fn write_page(path: &Path, page: Markup) -> Result<(), HtmlError> {
    let fail = |source| HtmlError { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::write(path, page.into_string()).map_err(fail)
}

fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(NOTHING_FROM_OUTSIDE);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

fn page(reports: &[DrillReport]) -> Markup {
    let verdict = worst(reports);
    let title = format!("clonedrill: {} {}", count(reports.len(), "drill"), word(verdict));
    let body = html! {
        h1 { "clonedrill " (badge(verdict)) }
        p class="faint" { "Do the backups clone back? " (count(reports.len(), "drill")) ", " (times(reports)) "." }
        @if reports.len() > 1 { (table(reports)) }
        @for (index, report) in reports.iter().enumerate() { (drill::section(index, report)) }
    };
    document(&title, body)
}

fn times(reports: &[DrillReport]) -> String {
    let all = reports.iter().map(|report| report.milliseconds).sum();
    format!("{} of drills", duration(all))
}

fn table(reports: &[DrillReport]) -> Markup {
    html! {
        table {
            tr { th { "Verdict" } th { "Drill" } th { "Operator" } th class="number" { "Time" } th { "What came out" } }
            @for (index, report) in reports.iter().enumerate() {
                tr {
                    td { (badge(report.verdict)) }
                    td { a href={ "#drill-" (index) } { (report.scenario) } }
                    td { (report.operator) }
                    td class="number" { (duration(report.milliseconds)) }
                    td { (super::summary::remark(report)) }
                }
            }
        }
    }
}

fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (word(verdict)) } { (word(verdict)) } }
}

fn word(verdict: Verdict) -> String {
    super::style::word(verdict).to_lowercase()
}

#[cfg(test)]
mod tests;

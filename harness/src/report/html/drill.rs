//! One drill on the page.

use maud::{Markup, html};

use super::{badge, context, observations, reproduce, restore, timeline};
use crate::report::text::duration;
use crate::report::{ClusterSummary, DrillReport, Finding};

pub(super) fn section(index: usize, report: &DrillReport) -> Markup {
    html! {
        section class="drill" id={ "drill-" (index) } {
            h2 { (badge(report.verdict)) " " (report.scenario) }
            p class="faint" {
                @if let Some(restore) = &report.restore { "restore of " (restore.source) } @else { "operator " (report.operator) }
                " · " (report.environment) " · " (duration(report.milliseconds))
                @if !report.file.as_os_str().is_empty() { " · " code { (report.file.display()) } }
            }
            @for image in &report.images { p class="faint" { "image " (image.to_text()) } }
            @for finding in &report.findings { (found(report, finding)) }
            @if let Some(restore) = &report.restore { (restore::section(restore)) }
            @if !report.clusters.is_empty() { (clusters(&report.clusters)) }
            @if !report.told_apart.is_empty() {
                h3 { "What was proved not to be so" }
                ul { @for line in &report.told_apart { li { (line) } } }
            }
            @if !report.phases.is_empty() {
                h3 { @if report.restore.is_some() { "Time of the whole drill" } @else { "Time" } }
                (timeline::picture(&report.phases))
            }
            (observations::all(&report.evidence))
            @let again = reproduce::commands(report);
            @if !again.is_empty() {
                h3 { "Again" }
                pre { (again.join("\n")) }
            }
            p class="faint" { "Evidence: " code { (report.evidence.display()) } }
        }
    }
}

fn found(report: &DrillReport, finding: &Finding) -> Markup {
    html! {
        div class="finding" {
            strong { (finding.subject) }
            dl {
                @if finding.expected.is_empty() {
                    dt { "what" } dd { (finding.seen) }
                } @else {
                    dt { "expected" } dd { (finding.expected) }
                    dt { "seen" } dd { (finding.seen) }
                }
                @if !finding.help.is_empty() { dt { "help" } dd { (finding.help) } }
            }
            @if !finding.evidence.is_empty() {
                pre { @for line in finding.evidence.iter().flat_map(|text| text.lines()) { (coloured(line)) "\n" } }
            }
            @for place in context::around(&report.evidence, &finding.evidence) {
                details {
                    summary { "in " code { (place.file) } ", line " (place.line) }
                    pre {
                        @for (number, line) in &place.lines {
                            @if *number == place.line { mark { (line) } } @else { (line) }
                            "\n"
                        }
                    }
                }
            }
        }
    }
}

/// Diffs in the colours that everybody knows.
fn coloured(line: &str) -> Markup {
    let class = match line.as_bytes().first() {
        Some(b'+') => "plus",
        Some(b'-') => "minus",
        Some(b'@') => "at",
        _ => return html! { (line) },
    };
    html! { span class=(class) { (line) } }
}

fn clusters(clusters: &[ClusterSummary]) -> Markup {
    let names = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    html! {
        h3 { "What came out" }
        table {
            tr { th { "Cluster" } th { "Outcome" } th { "Data" } th { "Reads" } th { "Writes" } }
            @for cluster in clusters {
                tr {
                    td { strong { (cluster.cluster) } }
                    td {
                        (cluster.outcome)
                        @if let Some(follows) = &cluster.follows { br; "follows " (follows.words()) }
                    }
                    td { (cluster.data) }
                    td {
                        (names(&cluster.reads))
                        @if !cluster.refused.is_empty() { " (refused everything: " (names(&cluster.refused)) ")" }
                    }
                    td { (names(&cluster.writes)) }
                }
            }
        }
    }
}

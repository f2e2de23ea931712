//! One drill in full: why it did not pass, or what it proved.

mod restore;

use super::style::{Paint, Style};
use super::text::{WIDTH, cut, duration, printable, wrap};
use super::{ClusterSummary, DrillReport, Finding};
use crate::exit::Verdict;

/// Evidence on the screen; all of it is in the evidence folder.
const LINES: usize = 24;
/// A log line that is longer says no more.
const LONGEST_LINE: usize = 240;

/// A drill with its findings, clusters and times.
pub(super) fn render(report: &DrillReport, style: Style) -> String {
    let title = match &report.restore {
        Some(restore) => format!("{}, restore of {}", report.scenario, restore.source),
        None => format!("{}, operator {}", report.scenario, report.operator),
    };
    let mut text = format!(
        "{}  {}  {}\n",
        style.verdict(report.verdict, 0),
        style.paint(Paint::Strong, &title),
        style.paint(Paint::Faint, &format!("{} · {}", report.environment, duration(report.milliseconds))),
    );
    if !report.file.as_os_str().is_empty() {
        text.push_str(&format!("  {}\n", style.paint(Paint::Faint, &report.file.display().to_string())));
    }
    for image in &report.images {
        text.push_str(&labelled_at(2, "image", &image.to_text(), style));
    }
    for (index, finding) in report.findings.iter().enumerate() {
        text.push('\n');
        text.push_str(&render_finding(index + 1, finding, style));
    }
    if let Some(restore) = &report.restore {
        text.push('\n');
        text.push_str(&restore::render(restore, style));
    }
    if !report.clusters.is_empty() {
        text.push('\n');
        text.push_str(&clusters(&report.clusters, style));
    }
    if !report.told_apart.is_empty() {
        text.push_str(&format!("\n  {}\n", style.paint(Paint::Faint, "told apart from")));
        for line in &report.told_apart {
            text.push_str(&block("    ", line));
        }
    }
    text.push('\n');
    if !report.phases.is_empty() {
        text.push_str(&labelled_at(2, "time", &times(report), style));
    }
    if report.verdict != Verdict::Passed {
        text.push_str(&labelled_at(2, "evidence", &report.evidence.display().to_string(), style));
    }
    text
}

/// One finding: expected, seen, the lines that show it, what to do.
pub(super) fn render_finding(number: usize, finding: &Finding, style: Style) -> String {
    let mut text =
        format!("  {}\n", style.paint(Paint::Strong, &format!("{number}. {}", printable(&finding.subject))));
    match finding.expected.is_empty() {
        true => text.push_str(&labelled("what", &finding.seen, style)),
        false => {
            text.push_str(&labelled("expected", &finding.expected, style));
            text.push_str(&labelled("seen", &finding.seen, style));
        }
    }
    let lines: Vec<String> = finding.evidence.iter().flat_map(|line| lines_of(line)).collect();
    for line in lines.iter().take(LINES) {
        text.push_str(&format!("     {} {}\n", style.paint(Paint::Faint, "│"), evidence_line(line, style)));
    }
    if lines.len() > LINES {
        let more =
            format!("└ {} more in the evidence folder", super::text::count(lines.len() - LINES, "line"));
        text.push_str(&format!("     {}\n", style.paint(Paint::Faint, &more)));
    }
    if !finding.help.is_empty() {
        text.push_str(&labelled("help", &finding.help, style));
    }
    text
}

fn lines_of(evidence: &str) -> Vec<String> {
    printable(evidence).lines().map(|line| cut(line, LONGEST_LINE)).collect()
}

/// Diffs in the colours that everybody knows.
fn evidence_line(line: &str, style: Style) -> String {
    match line.as_bytes().first() {
        Some(b'+') => style.paint(Paint::Good, line),
        Some(b'-') => style.paint(Paint::Bad, line),
        Some(b'@') => style.paint(Paint::Faint, line),
        _ => line.to_owned(),
    }
}

const LABEL: usize = 10;

fn labelled(label: &str, value: &str, style: Style) -> String {
    labelled_at(5, label, value, style)
}

fn labelled_at(indent: usize, label: &str, value: &str, style: Style) -> String {
    let mut text = String::new();
    for (index, line) in wrap(value, WIDTH - indent - LABEL).into_iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        text.push_str(&format!(
            "{:indent$}{}{line}\n",
            "",
            style.paint(Paint::Faint, &format!("{label:<LABEL$}"))
        ));
    }
    text
}

fn block(indent: &str, value: &str) -> String {
    wrap(value, WIDTH - indent.len()).iter().map(|line| format!("{indent}{line}\n")).collect()
}

fn clusters(clusters: &[ClusterSummary], style: Style) -> String {
    let mut text = String::new();
    for cluster in clusters {
        let accounts =
            |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        text.push_str(&format!(
            "  {}  {}\n",
            style.paint(Paint::Strong, &cluster.cluster),
            printable(&cluster.outcome)
        ));
        if !cluster.data.is_empty() {
            text.push_str(&labelled("data", &cluster.data, style));
        }
        if let Some(follows) = &cluster.follows {
            text.push_str(&labelled("follows", &follows.words(), style));
        }
        let refused = match cluster.refused.is_empty() {
            true => String::new(),
            false => format!("; refused everything: {}", accounts(&cluster.refused)),
        };
        let traffic =
            format!("reads {}; writes {}{refused}", accounts(&cluster.reads), accounts(&cluster.writes));
        text.push_str(&labelled("storage", &traffic, style));
    }
    text
}

fn times(report: &DrillReport) -> String {
    let phases: Vec<String> = report
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.title, duration(phase.milliseconds)))
        .collect();
    phases.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_persons_own_mistake_is_told_as_it_is() {
        let finding =
            Finding::new("look at the source", String::new(), "failed to find the source prod/acid-orders");
        let text = render_finding(1, &finding, Style::plain());
        assert_eq!(
            text,
            "  1. look at the source\n     what      failed to find the source prod/acid-orders\n"
        );
    }

    #[test]
    fn a_failing_drill_shows_expected_seen_evidence_and_help() {
        insta::assert_snapshot!(render(&samples::failed(), Style::plain()));
    }

    #[test]
    fn a_passing_drill_shows_what_it_proved() {
        insta::assert_snapshot!(render(&samples::passed(), Style::plain()));
    }

    #[test]
    fn a_broken_environment_shows_the_parts_last_lines() {
        insta::assert_snapshot!(render(&samples::broken(), Style::plain()));
    }

    #[test]
    fn a_restore_shows_what_was_measured_and_proved() {
        let reports = [samples::restored(), samples::not_restored(), samples::restore_broken()];
        let texts = reports.iter().map(|report| render(report, Style::plain()));
        insta::assert_snapshot!(texts.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn only_evidence_is_wider_than_the_page() {
        for report in [samples::failed(), samples::restored(), samples::not_restored()] {
            let text = render(&report, Style::plain());
            assert!(
                text.lines().filter(|line| !line.contains('│')).all(|line| line.chars().count() <= WIDTH),
                "{text}"
            );
        }
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let coloured = render(&samples::failed(), Style::coloured());
        let stripped =
            regex::Regex::new("\x1b\\[[0-9;]*m").map(|codes| codes.replace_all(&coloured, "").into_owned());
        assert_eq!(stripped.ok(), Some(render(&samples::failed(), Style::plain())));
        assert!(coloured.contains("\x1b[31m-"));
    }

    #[test]
    fn a_log_line_cannot_steer_the_terminal() {
        let mut report = samples::failed();
        report.findings[0].evidence = vec!["\u{1b}]0;owned\u{7}".to_owned()];
        assert!(!render(&report, Style::plain()).contains('\u{1b}'));
    }
}

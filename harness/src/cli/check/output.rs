//! What `clonedrill check` prints.

use std::collections::BTreeMap;

use miette::{Diagnostic, GraphicalReportHandler};
use serde::Serialize;

use super::Failure;
use crate::check::{self, Checked, FindingRecord, Severity, sarif};
use crate::diagnosis::DiagnosisRecord;
use crate::manifests::{Kind, Manifests};
use crate::render::Rendering;

/// No line that we lay out is wider.
const WIDTH: usize = 100;

/// Each problem and finding at its place, and a summary.
pub(super) fn text(manifests: &Manifests, rendering: &Rendering, checked: &Checked) {
    if let Some(said) = &checked.without_configuration {
        println!("{}\n", textwrap::fill(said, WIDTH));
    }
    for said in &manifests.not_built {
        println!("NOT BUILT: {}\n", textwrap::fill(said, WIDTH));
    }
    for problem in manifests.problems.iter().chain(&checked.problems) {
        println!("{}", shown(problem));
    }
    for finding in checked.findings.iter().filter(|finding| finding.counts()) {
        println!("{}", shown(&finding.diagnosis()));
    }
    for finding in &checked.findings {
        if let Some(reason) = &finding.accepted {
            let cluster = if finding.cluster.is_empty() { "-" } else { finding.cluster.as_str() };
            println!("accepted: {} of {cluster}: {reason}", finding.definition.code);
        }
    }
    print!("{}", summary(manifests, rendering, checked));
}

fn shown(diagnostic: &dyn Diagnostic) -> String {
    // Prefixes and names of Secrets are to be copied: they are not broken at slashes and hyphens.
    let handler = GraphicalReportHandler::new()
        .with_width(WIDTH)
        .with_break_words(false)
        .with_word_separator(textwrap::WordSeparator::AsciiSpace)
        .with_word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut text = String::new();
    // Formatting into a String cannot fail.
    let _ = handler.render_report(&mut text, diagnostic);
    text
}

/// `2 Service`, `4 files without Kubernetes objects`
fn passed_over(kind: &str, count: usize) -> String {
    match (kind, count) {
        ("file without objects", 1) => "1 file without Kubernetes objects".to_owned(),
        ("file without objects", _) => format!("{count} files without Kubernetes objects"),
        _ => format!("{count} {kind}"),
    }
}

fn summary(manifests: &Manifests, rendering: &Rendering, checked: &Checked) -> String {
    let mut text = String::new();
    if !manifests.passed_over.is_empty() {
        let kinds: Vec<String> =
            manifests.passed_over.iter().map(|(kind, count)| passed_over(kind, *count)).collect();
        text.push_str(&format!("not looked at: {}\n", kinds.join(", ")));
    }
    let clusters = manifests.of_kind(Kind::Postgresql).count();
    let of = |severity| {
        checked.findings.iter().filter(|finding| finding.counts() && finding.severity == severity).count()
    };
    let problems = manifests.problems.len() + checked.problems.len();
    let mut counts: Vec<String> = [
        (problems, "fault of the input", "faults of the input"),
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Note), "note", "notes"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
    .collect();
    // Never an all-clear for what nobody backs up.
    let without = checked.without_backups.len();
    if counts.is_empty() && without == 0 {
        counts.push("nothing found".to_owned());
    }
    for (count, what) in [
        (without, "WITHOUT BACKUPS"),
        (checked.findings.iter().filter(|finding| finding.accepted.is_some()).count(), "accepted"),
        (checked.findings.iter().filter(|finding| finding.known).count(), "in the baseline"),
    ] {
        if count > 0 {
            counts.push(format!("{count} {what}"));
        }
    }
    let clusters = if clusters == 1 { "1 cluster".to_owned() } else { format!("{clusters} clusters") };
    text.push_str(&format!("{clusters}, operator {}: {}\n", rendering.operator, counts.join(", ")));
    if !checked.findings.is_empty() {
        text.push_str("`clonedrill check --explain CODE` says more of a finding\n");
    }
    text
}

#[derive(Serialize)]
struct Report<'r> {
    operator: &'r str,
    /// Where it stands; none where the default of the release was taken.
    operator_configuration: Option<String>,
    /// What is said first where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_configuration: Option<&'r str>,
    clusters: usize,
    /// Clusters that take no backups of the kind that can be cloned.
    without_backups: &'r [String],
    /// Kustomizations that change what was read.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_built: &'r [String],
    findings: Vec<FindingRecord>,
    problems: Vec<DiagnosisRecord>,
    passed_over: &'r BTreeMap<String, usize>,
}

pub(super) fn json(manifests: &Manifests, rendering: &Rendering, checked: &Checked) -> Result<(), Failure> {
    print(&Report {
        operator: &rendering.operator,
        operator_configuration: manifests
            .settings()
            .map(|settings| format!("{} ({settings})", settings.place_of_name().file().display())),
        without_configuration: checked.without_configuration.as_deref(),
        without_backups: &checked.without_backups,
        not_built: &manifests.not_built,
        clusters: manifests.of_kind(Kind::Postgresql).count(),
        findings: checked.findings.iter().map(check::Finding::record).collect(),
        problems: manifests
            .problems
            .iter()
            .chain(&checked.problems)
            .map(|problem| problem.record())
            .collect(),
        passed_over: &manifests.passed_over,
    })
}

pub(super) fn sarif(manifests: &Manifests, checked: &Checked) -> Result<(), Failure> {
    print(&sarif::log(checked, &manifests.problems))
}

#[derive(Serialize)]
struct Kinds {
    code: &'static str,
    severity: Severity,
    title: &'static str,
    shown_by: &'static [&'static str],
    /// Why no scenario shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_shown_because: Option<&'static str>,
}

/// All kinds of findings, the worst first within what they are about.
pub(super) fn list(as_json: bool) -> Result<(), Failure> {
    let kinds = check::definitions().iter().map(|definition| Kinds {
        code: definition.code,
        severity: definition.severity,
        title: definition.title,
        shown_by: definition.shown.scenarios(),
        not_shown_because: definition.shown.why_no_scenario(),
    });
    if as_json {
        return print(&kinds.collect::<Vec<_>>());
    }
    for kind in kinds {
        println!("{:32} {:8} {}", kind.code, kind.severity.name(), wrapped(kind.title, WIDTH - 42));
    }
    Ok(())
}

/// Further lines begin below the first.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{:42}", ""))
}

fn print(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::broken(miette::miette!("failed to write the findings as JSON: {error}")))?;
    println!("{text}");
    Ok(())
}

//! What a restore drill measured and proved.

use jiff::Timestamp;

use super::{Paint, Style, labelled_at};
use crate::report::proof::counted;
use crate::report::text::{WIDTH, duration, printable, wrap};
use crate::report::{Measure, Proof, ProofState, RecoveryPhase, Restore};

const INDENT: usize = 2;
const WORD: usize = 6;

pub(super) fn render(restore: &Restore, style: Style) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&labelled_at(INDENT, label, value, style));
    let Restore { clone, context, .. } = restore;
    if !clone.is_empty() {
        line("clone", &format!("{clone}, context {context}"));
    }
    if let Some(target) = restore.target {
        line("target", &seconds(target));
    }
    if let Some(backup) = &restore.backup {
        let begun = backup.started.map(|time| format!(", begun {}", seconds(time))).unwrap_or_default();
        let age = restore.backup_age().and_then(|age| u64::try_from(age.as_millis()).ok());
        let age = age.map(|age| format!(", {} before the target", duration(age))).unwrap_or_default();
        line("backup", &format!("{}{begun}{age}", backup.name));
    }
    if let Some(time) = restore.recovered_to {
        line("data to", &time.to_string());
    }
    for (label, measure) in [("RPO", restore.rpo), ("RTO", restore.rto)] {
        if let Some(measure) = measure {
            text.push_str(&measured(label, measure, style));
        }
    }
    if !restore.phases.is_empty() {
        text.push_str(&labelled_at(INDENT, "phases", &phases(&restore.phases), style));
    }
    if !restore.largest_cause.is_empty() {
        text.push_str(&labelled_at(INDENT, "largest", &restore.largest_cause, style));
    }
    if !restore.proofs.is_empty() {
        let title = counted(&restore.proofs);
        text.push_str(&format!("\n  {}\n", style.paint(Paint::Faint, &title)));
        for one in &restore.proofs {
            text.push_str(&proof(one, style));
        }
    }
    text
}

/// Fractions of a second say nothing of what was asked for.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `RTO       38 min 13 s, over its budget of 30 min 00 s`
fn measured(label: &str, measure: Measure, style: Style) -> String {
    let at_most = if measure.at_most { "at most " } else { "" };
    let taken = format!("{at_most}{}", duration(measure.milliseconds));
    let Some(budget) = measure.budget else { return labelled_at(INDENT, label, &taken, style) };
    let (paint, how) = if measure.within_budget() { (Paint::Good, "within") } else { (Paint::Bad, "OVER") };
    let line =
        labelled_at(INDENT, label, &format!("{taken}, {how} its budget of {}", duration(budget)), style);
    // Only the word is coloured, after the line was laid out.
    line.replacen(&format!(", {how} "), &format!(", {} ", style.paint(paint, how)), 1)
}

fn phases(phases: &[RecoveryPhase]) -> String {
    let phases =
        phases.iter().map(|phase| format!("{} {}", phase.phase.name(), duration(phase.milliseconds)));
    phases.collect::<Vec<_>>().join(" · ")
}

/// A line each, more where it is long.
fn proof(proof: &Proof, style: Style) -> String {
    let (paint, word) = match proof.state {
        ProofState::Holds => (Paint::Good, "holds"),
        ProofState::Fails => (Paint::Bad, "FAILS"),
        ProofState::Partly => (Paint::Bad, "partly"),
    };
    let told = match (proof.state, proof.expected.as_str()) {
        (ProofState::Fails, expected) if !expected.is_empty() => {
            format!("{}: expected {expected}, seen {}", proof.what, proof.seen)
        }
        _ => format!("{}: {}", proof.what, proof.seen),
    };
    let mut text = String::new();
    for (index, line) in
        wrap(&printable(&told).replace('\n', " "), WIDTH - 4 - WORD - 2).into_iter().enumerate()
    {
        let word = if index == 0 { style.paint(paint, &format!("{word:WORD$}")) } else { " ".repeat(WORD) };
        text.push_str(&format!("    {word}  {line}\n"));
    }
    text
}

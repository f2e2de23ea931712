//! A drill in one line, for those who read no report.

use super::Told;
use crate::exit::Verdict;
use crate::report::proof::counted;
use crate::report::style::word;
use crate::report::text::{cut, duration, printable};
use crate::report::{Measure, ProofState, Restore};

/// Nobody reads more in a line; an event's note may have 1024 bytes.
const LONGEST: usize = 240;

/// What was found first, where something was; then `restored to …; RPO …; RTO …; 7 of 7 proofs hold`. The verdict stands
/// beside it wherever it is shown.
pub(super) fn line(told: Told<'_>) -> String {
    cut(&parts(told).join("; "), LONGEST * 2)
}

/// The same as lines, below the verdict: what the log of a pod ends with.
pub(super) fn key_lines(told: Told<'_>) -> String {
    let word = word(told.report.verdict);
    let mut text = format!("{word}  {}, restore of {}\n", told.report.scenario, told.restore.source);
    for part in parts(told) {
        text.push_str(&format!("{:width$}  {part}\n", "", width = word.len()));
    }
    text
}

fn parts(told: Told<'_>) -> Vec<String> {
    let mut parts: Vec<String> = finding(told).into_iter().collect();
    if parts.is_empty() && told.report.verdict != Verdict::Passed {
        parts.push(format!("{} before anything was found", word(told.report.verdict).to_lowercase()));
    }
    let restore = told.restore;
    if let Some(time) = restore.recovered_to {
        parts.push(format!("restored to {time}"));
    }
    parts.extend(restore.rpo.map(|rpo| format!("RPO {}", measure(rpo))));
    parts.extend(restore.rto.map(|rto| format!("RTO {}", measure(rto))));
    parts.extend(proofs(restore));
    parts
}

/// The most telling finding, else the first proof that does not hold.
pub(super) fn finding(told: Told<'_>) -> Option<String> {
    let found =
        told.report.findings.first().map(|finding| [&finding.subject, &finding.expected, &finding.seen]);
    let failing = || told.restore.proofs.iter().find(|proof| proof.state == ProofState::Fails);
    let [what, expected, seen] =
        found.or_else(|| failing().map(|proof| [&proof.what, &proof.expected, &proof.seen]))?;
    let expected = if expected.is_empty() { String::new() } else { format!("expected {expected}, seen ") };
    Some(cut(&printable(&format!("{what}: {expected}{seen}")).replace('\n', " "), LONGEST))
}

/// `at most 4.2 s (budget 5 min 00 s)`
pub(super) fn measure(measure: Measure) -> String {
    let at_most = if measure.at_most { "at most " } else { "" };
    let budget = measure.budget.map(|budget| format!(" (budget {})", duration(budget))).unwrap_or_default();
    format!("{at_most}{}{budget}", duration(measure.milliseconds))
}

fn proofs(restore: &Restore) -> Option<String> {
    (!restore.proofs.is_empty()).then(|| counted(&restore.proofs))
}

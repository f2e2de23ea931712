//! JUnit's XML, as CI systems read it: a suite for each scenario, a case for each operator version; of a restore drill a
//! case for the drill, and one for each thing that it was to prove.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::style::Style;
use super::text::duration;
use super::{DrillReport, Finding, Measure, Proof, ProofState, Restore, details};
use crate::exit::Verdict;

/// A JUnit file that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// The file or its folder could not be written.
    #[error("write the JUnit report {}: {source}", .path.display())]
    Write {
        /// As `--junit` gives it, or `junit.xml` beside the report.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The XML could not be made.
    #[error("make the JUnit report: {0}")]
    Serialize(#[from] quick_junit::SerializeError),
}

/// Writes the reports of a run to `path`; missing folders are made.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, reports: &[DrillReport]) -> Result<(), JunitError> {
    let fail = |source| JunitError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::write(path, render(reports)?).map_err(fail)
}

fn render(reports: &[DrillReport]) -> Result<String, JunitError> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for report in reports {
        let suite = suites.entry(&report.scenario).or_insert_with(|| TestSuite::new(&*report.scenario));
        suite.add_test_case(case(report));
        if let Some(restore) = &report.restore {
            suite.add_test_cases(proofs(restore));
        }
    }
    let mut junit = Report::new("clonedrill");
    junit.add_test_suites(suites.into_values());
    Ok(junit.to_string()?)
}

fn case(report: &DrillReport) -> TestCase {
    let mut status = match report.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        // Nothing was proved either way: CI systems show these apart from failures.
        Verdict::Invalid | Verdict::Broken | Verdict::Interrupted => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    if report.verdict != Verdict::Passed {
        if let Some(first) = report.findings.first() {
            status.set_message(message(first));
        }
        status.set_description(details::render(report, Style::plain()));
    }
    let name = match &report.restore {
        Some(restore) => format!("restore of {}", restore.source),
        None => report.operator.clone(),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(&*report.scenario);
    case.set_time(Duration::from_millis(report.milliseconds));
    case.add_property(("file", report.file.display().to_string().as_str()));
    case.add_property(("environment", &*report.environment));
    case.add_property(("evidence", report.evidence.display().to_string().as_str()));
    case
}

fn proofs(restore: &Restore) -> Vec<TestCase> {
    let case = |name: &str, status| {
        let mut case = TestCase::new(name, status);
        case.set_classname(&*restore.source);
        case
    };
    let proofs = restore.proofs.iter().map(|proof| case(&proof.what, status(proof)));
    let budgets = [("recovery point (RPO)", restore.rpo), ("recovery time (RTO)", restore.rto)];
    let budgets = budgets.into_iter().filter_map(|(name, measure)| {
        let measure = measure?;
        Some(case(&format!("{name} within {}", duration(measure.budget?)), within(measure)))
    });
    proofs.chain(budgets).collect()
}

fn status(proof: &Proof) -> TestCaseStatus {
    let mut status = match proof.state {
        ProofState::Holds => return TestCaseStatus::success(),
        ProofState::Fails => TestCaseStatus::non_success(NonSuccessKind::Failure),
        // Whether that fails the drill, the drill's own case says.
        ProofState::Partly => TestCaseStatus::skipped(),
    };
    let expected =
        if proof.expected.is_empty() { String::new() } else { format!("expected {}, ", proof.expected) };
    status.set_message(match proof.state {
        ProofState::Partly => format!("partly: {}", proof.seen),
        _ => format!("{expected}seen {}", proof.seen),
    });
    let help = (!proof.help.is_empty()).then(|| format!("help: {}", proof.help));
    status.set_description(proof.evidence.iter().cloned().chain(help).collect::<Vec<_>>().join("\n"));
    status
}

fn within(measure: Measure) -> TestCaseStatus {
    if measure.within_budget() {
        return TestCaseStatus::success();
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(format!("it was {}", duration(measure.milliseconds)));
    status
}

fn message(finding: &Finding) -> String {
    match finding.expected.as_str() {
        "" => format!("{}: {}", finding.subject, finding.seen),
        expected => format!("{}: expected {expected}, seen {}", finding.subject, finding.seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn failures_and_errors_are_told_apart() {
        insta::assert_snapshot!(render(&[samples::passed(), samples::failed(), samples::broken()]).unwrap());
    }

    #[test]
    fn each_thing_that_a_restore_was_to_prove_is_a_case() {
        insta::assert_snapshot!(render(&[samples::not_restored()]).unwrap());
    }

    #[test]
    fn the_file_is_written_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports/junit.xml");
        write(&path, &[samples::passed()]).unwrap();
        assert!(std::fs::read_to_string(path).unwrap().contains("tests=\"1\""));
    }
}

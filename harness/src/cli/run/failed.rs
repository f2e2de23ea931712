//! Why nothing was run, for machines.

use super::super::Failure;
use super::plan::InvalidScenarios;
use crate::report::RunError;
use crate::scenario::ScenarioError;

/// Each reason with its place, where it has one.
pub(crate) fn errors(failure: &Failure) -> Vec<RunError> {
    let report = &failure.report;
    if let Some(error) = report.downcast_ref::<ScenarioError>() {
        return problems(error).collect();
    }
    if let Some(invalid) = report.downcast_ref::<InvalidScenarios>() {
        return invalid.scenarios.iter().flat_map(problems).collect();
    }
    let help = report.help().map(|help| help.to_string());
    let code = report.code().map(|code| code.to_string());
    vec![RunError { message: report.to_string(), help, code, ..RunError::default() }]
}

fn problems(error: &ScenarioError) -> impl Iterator<Item = RunError> {
    error.problems().map(|problem| {
        let record = problem.record();
        RunError {
            message: record.message,
            help: record.help,
            code: Some(record.code.to_owned()),
            file: record.file.map(Into::into),
            line: Some(record.line),
            column: Some(record.column),
        }
    })
}

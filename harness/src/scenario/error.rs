//! What is wrong with a scenario file, each problem with its place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode, SourceSpan};

use super::problem::ProblemKind;
use crate::diagnosis::{Diagnosis, Place, SourceFile};

/// All that is wrong with one scenario file. Exit code 2. Never empty.
///
/// As a diagnostic it is its first problem, with the others as related ones.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{first}")]
pub struct ScenarioError {
    first: Box<Diagnosis>,
    others: Vec<Diagnosis>,
}

impl ScenarioError {
    pub(super) fn one(problem: Diagnosis) -> Self {
        ScenarioError { first: Box::new(problem), others: Vec::new() }
    }

    /// None where there are no problems.
    pub(crate) fn from_all(problems: Vec<Diagnosis>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let first = Box::new(problems.next()?);
        Some(ScenarioError { first, others: problems.collect() })
    }

    /// Every problem, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = &Diagnosis> {
        std::iter::once(&*self.first).chain(&self.others)
    }
}

impl Diagnostic for ScenarioError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.first.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.first.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.first.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.first.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.others.is_empty() {
            return None;
        }
        Some(Box::new(self.others.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// What is wrong with a file, and where in its text.
pub(super) fn problem(
    kind: &ProblemKind,
    help: Option<String>,
    file: &Path,
    source: &Arc<str>,
    span: Option<SourceSpan>,
) -> Diagnosis {
    let place = span.map(|span| Place { source: Arc::new(SourceFile::new(file, source, &[])), span });
    Diagnosis::new(kind, place).with_help(help).of_file(file)
}

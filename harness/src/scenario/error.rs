//! What is wrong with a scenario file, each problem with its place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use serde::Serialize;

use super::problem::ProblemKind;
use crate::yaml::line_and_column;

/// All that is wrong with one scenario file. Exit code 2. Never empty.
///
/// As a diagnostic it is its first problem, with the others as related ones.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{first}")]
pub struct ScenarioError {
    first: Box<Problem>,
    others: Vec<Problem>,
}

impl ScenarioError {
    pub(super) fn one(problem: Problem) -> Self {
        ScenarioError { first: Box::new(problem), others: Vec::new() }
    }

    /// None where there are no problems.
    pub(crate) fn from_all(problems: Vec<Problem>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let first = Box::new(problems.next()?);
        Some(ScenarioError { first, others: problems.collect() })
    }

    /// Every problem, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
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

/// One thing that is wrong, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    pub kind: ProblemKind,
    pub help: Option<String>,
    pub file: PathBuf,
    source_text: Arc<NamedSource<Arc<str>>>,
    span: Option<SourceSpan>,
}

impl Problem {
    pub(super) fn new(
        kind: ProblemKind,
        help: Option<String>,
        file: &Path,
        source_text: &Arc<str>,
        span: Option<SourceSpan>,
    ) -> Self {
        let name = file.display().to_string();
        Problem {
            kind,
            help,
            file: file.to_owned(),
            source_text: Arc::new(NamedSource::new(name, source_text.clone()).with_language("YAML")),
            span,
        }
    }

    /// Line and column, both from 1; the file's start where the problem has no place.
    pub fn place(&self) -> (usize, usize) {
        self.span.map_or((1, 1), |span| line_and_column(self.source_text.inner(), span.offset()))
    }

    /// The byte at which the problem stands, for ordering.
    pub(super) fn offset(&self) -> usize {
        self.span.map_or(0, |span| span.offset())
    }

    /// For editors and CI.
    pub fn record(&self) -> ProblemRecord {
        let (line, column) = self.place();
        ProblemRecord {
            file: self.file.clone(),
            line,
            column,
            code: self.kind.code().to_owned(),
            message: self.kind.to_string(),
            help: self.help.clone(),
        }
    }
}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.kind.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.is_some().then_some(&*self.source_text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(self.kind.label(), span))))
    }
}

/// One problem as `clonedrill validate --format json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemRecord {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub code: String,
    pub message: String,
    pub help: Option<String>,
}

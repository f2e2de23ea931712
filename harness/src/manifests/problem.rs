//! What is wrong with manifests before anything is rendered from them, each with its place. Exit code 2.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde::Serialize;

use super::source::Place;

/// What is wrong. The text after `clonedrill::manifests::` of [`ProblemKind::code`] never changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    #[error("failed to read {file}: {why}")]
    Unreadable { file: String, why: String },
    #[error("failed to parse this document: {0}")]
    Syntax(String),
    #[error("this is no Kubernetes object: {0}")]
    NoObject(String),
    #[error("{object} has no {field}")]
    Missing { object: String, field: &'static str },
    #[error("{object} is there twice")]
    Duplicate { object: String },
    #[error("{object} is a second configuration of the operator")]
    SecondSettings { object: String },
    #[error("the API server refuses {object}: {why}")]
    RefusedByApiServer { object: String, why: String },
    #[error("the operator refuses {object}: {why}")]
    RefusedByOperator { object: String, why: String },
}

impl ProblemKind {
    /// The stable code, such as `clonedrill::manifests::syntax`.
    pub fn code(&self) -> &'static str {
        match self {
            ProblemKind::Unreadable { .. } => "clonedrill::manifests::unreadable",
            ProblemKind::Syntax(_) => "clonedrill::manifests::syntax",
            ProblemKind::NoObject(_) => "clonedrill::manifests::no_object",
            ProblemKind::Missing { .. } => "clonedrill::manifests::missing_field",
            ProblemKind::Duplicate { .. } => "clonedrill::manifests::duplicate_object",
            ProblemKind::SecondSettings { .. } => "clonedrill::manifests::second_operator_configuration",
            ProblemKind::RefusedByApiServer { .. } => "clonedrill::manifests::refused_by_api_server",
            ProblemKind::RefusedByOperator { .. } => "clonedrill::manifests::refused_by_operator",
        }
    }

    fn label(&self) -> &'static str {
        match self {
            ProblemKind::Duplicate { .. } | ProblemKind::SecondSettings { .. } => "again here",
            ProblemKind::Missing { .. } => "in here",
            _ => "here",
        }
    }
}

/// One thing that is wrong, and where. The rest of the manifests is still of use.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    pub kind: ProblemKind,
    pub help: Option<String>,
    pub place: Option<Place>,
    /// What it is held against, such as the first of two.
    other: Option<Box<Related>>,
}

impl Problem {
    /// A problem without help; where it stands, if that is known.
    pub fn new(kind: ProblemKind, place: Option<Place>) -> Self {
        Problem { kind, help: None, place, other: None }
    }

    pub(super) fn without_place(kind: ProblemKind) -> Self {
        Problem::new(kind, None)
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub(super) fn held_against(mut self, place: Place, word: &'static str) -> Self {
        self.other = Some(Box::new(Related { words: word.to_owned(), place }));
        self
    }

    /// For editors and CI.
    pub fn record(&self) -> ProblemRecord {
        let (line, column) = self.place.as_ref().map_or((1, 1), Place::start);
        ProblemRecord {
            file: self.place.as_ref().map(|place| place.file().display().to_string()),
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
        self.place.as_ref().map(|place| place.source.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(Some(self.kind.label().to_owned()), place.span);
        let second = self.other.as_ref().filter(|other| other.is_beside(place)).map(|other| other.label());
        Some(Box::new(std::iter::once(first).chain(second)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let place = self.place.as_ref()?;
        let other = self.other.as_ref().filter(|other| !other.is_beside(place))?;
        Some(Box::new(std::iter::once(&**other as &dyn Diagnostic)))
    }
}

/// A second place that a message needs. In the same file it is a label there, in another a note of its own.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{words}")]
pub struct Related {
    pub words: String,
    pub place: Place,
}

impl Related {
    /// Whether one snippet shows both places.
    pub fn is_beside(&self, place: &Place) -> bool {
        self.place.file() == place.file()
    }

    /// The second place as a label beside the first.
    pub fn label(&self) -> LabeledSpan {
        LabeledSpan::new_with_span(Some(self.words.clone()), self.place.span)
    }
}

impl Diagnostic for Related {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.place.source.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, self.place.span))))
    }
}

/// One problem as `--format json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemRecord {
    /// None for what could not be read.
    pub file: Option<String>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub code: String,
    pub message: String,
    pub help: Option<String>,
}

//! What is said about a file that a person wrote: what is wrong, where, and what to do. One form for scenarios, restore
//! files, manifests and the findings in them.

mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde::Serialize;

pub use source::{Place, SourceFile};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will not do what it is for.
    Error,
    /// It may not, or will not later.
    Warning,
    /// Nothing is wrong; something looks as if it were.
    Note,
}

impl Severity {
    /// The word for it, such as `error`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// A kind of fault; its text is the message.
pub(crate) trait Fault: fmt::Display {
    /// What people look up, such as `clonedrill::scenario::unknown_field`. It never changes.
    fn code(&self) -> &'static str;

    /// What stands beside the caret.
    fn label(&self) -> &'static str;
}

/// One thing that is said about a file, and where. Never empty.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Diagnosis {
    /// What people look up.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, or what will happen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it stands, if that is known.
    pub place: Option<Place>,
    file: Option<PathBuf>,
    label: String,
    beside: Vec<Beside>,
}

impl Diagnosis {
    /// A fault without help; where it stands, if that is known.
    pub(crate) fn new(fault: &impl Fault, place: Option<Place>) -> Self {
        Diagnosis {
            code: fault.code(),
            severity: Severity::Error,
            message: fault.to_string(),
            help: None,
            place,
            file: None,
            label: fault.label().to_owned(),
            beside: Vec::new(),
        }
    }

    /// What was found at a place, with its own words beside the caret.
    pub(crate) fn found(
        code: &'static str,
        severity: Severity,
        message: &str,
        place: &Place,
        label: &str,
    ) -> Self {
        Diagnosis {
            code,
            severity,
            message: message.to_owned(),
            help: None,
            place: Some(place.clone()),
            file: None,
            label: label.to_owned(),
            beside: Vec::new(),
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub(crate) fn with_help(self, help: impl Into<Option<String>>) -> Self {
        Diagnosis { help: help.into(), ..self }
    }

    /// The same of a file as a whole: the place may be missing.
    #[must_use]
    pub(crate) fn of_file(self, file: &Path) -> Self {
        Diagnosis { file: Some(file.to_owned()), ..self }
    }

    /// The same, with other places that it needs.
    #[must_use]
    pub(crate) fn beside(mut self, others: impl IntoIterator<Item = Beside>) -> Self {
        self.beside.extend(others);
        self
    }

    /// Where it stands, and the other places that it needs.
    pub(crate) fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.place.iter_mut().chain(self.beside.iter_mut().map(|other| &mut other.place))
    }

    /// The byte at which it stands, for ordering.
    pub(crate) fn offset(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.span.offset())
    }

    /// Line and column, both from 1; the file's start where it has no place.
    pub fn start(&self) -> (usize, usize) {
        self.place.as_ref().map_or((1, 1), Place::start)
    }

    /// For editors and CI.
    pub fn record(&self) -> DiagnosisRecord {
        let (line, column) = self.start();
        let file = self.place.as_ref().map(Place::file).or(self.file.as_deref());
        DiagnosisRecord {
            file: file.map(|file| file.display().to_string()),
            line,
            column,
            code: self.code,
            message: self.message.clone(),
            help: self.help.clone(),
        }
    }

    /// Whether one snippet shows both places.
    fn shows(&self, other: &Beside) -> bool {
        self.place.as_ref().is_some_and(|place| place.file() == other.place.file())
    }
}

impl Diagnostic for Diagnosis {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| place.source.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(Some(self.label.clone()), place.span);
        let others = self.beside.iter().filter(|other| self.shows(other)).map(Beside::label);
        Some(Box::new(std::iter::once(first).chain(others)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.place.as_ref()?;
        let mut elsewhere = self.beside.iter().filter(|other| !self.shows(other)).peekable();
        elsewhere.peek()?;
        Some(Box::new(elsewhere.map(|other| other as &dyn Diagnostic)))
    }
}

/// A second place that a message needs. In the same file it is a label there, in another a note of its own.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{words}")]
pub struct Beside {
    /// What is there.
    pub words: String,
    /// Where.
    pub place: Place,
}

impl Beside {
    fn label(&self) -> LabeledSpan {
        LabeledSpan::new_with_span(Some(self.words.clone()), self.place.span)
    }
}

impl Diagnostic for Beside {
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

/// As `--format json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct DiagnosisRecord {
    /// None for what stands in no file.
    pub file: Option<String>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What people look up.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

//! One thing that will go wrong, and where it is written.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde::Serialize;

use super::world::World;
use crate::manifests::{Place, Related};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A backup or a clone will not do what it is for.
    Error,
    /// It may, or it will later.
    Warning,
    /// Nothing is wrong; something looks as if it were.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// A kind of finding. Its code never changes.
pub struct Definition {
    pub code: &'static str,
    pub severity: Severity,
    /// What it is, in one line.
    pub title: &'static str,
    /// Its page of the docs, in Markdown.
    pub page: &'static str,
    /// Scenarios that show that it is true, from `scenarios/`, without `.yaml`.
    pub shown_by: &'static [&'static str],
    pub(super) find: fn(&World<'_>, &mut Found),
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// One finding.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Finding {
    pub definition: &'static Definition,
    /// The cluster that it befalls, as `namespace/name` outside `default`; empty for what concerns no single one.
    pub cluster: String,
    /// What will happen.
    pub message: String,
    /// What to write instead.
    pub repair: String,
    pub place: Place,
    label: String,
    pub related: Vec<Related>,
}

/// Findings as they are found, all of one definition at a time.
pub struct Found {
    definition: &'static Definition,
    pub(super) findings: Vec<Finding>,
}

impl Found {
    pub(super) fn new(definition: &'static Definition) -> Self {
        Found { definition, findings: Vec::new() }
    }

    /// Adds a finding; `label` stands beside the caret.
    pub fn add(
        &mut self,
        cluster: String,
        place: Place,
        label: impl Into<String>,
        message: String,
        repair: impl Into<String>,
    ) -> &mut Finding {
        self.findings.push(Finding {
            definition: self.definition,
            cluster,
            message,
            repair: repair.into(),
            place,
            label: label.into(),
            related: Vec::new(),
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

impl Finding {
    /// Shows a second place beside the first.
    pub fn beside(&mut self, place: Place, words: impl Into<String>) {
        self.related.push(Related { words: words.into(), place });
    }

    /// For editors, CI and programs.
    pub fn record(&self) -> FindingRecord {
        let (line, column) = self.place.start();
        FindingRecord {
            code: self.definition.code,
            severity: self.definition.severity,
            cluster: Some(self.cluster.clone()).filter(|cluster| !cluster.is_empty()),
            message: self.message.clone(),
            repair: self.repair.clone(),
            file: self.place.file().display().to_string(),
            line,
            column,
        }
    }
}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.definition.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.definition.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.repair))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.place.source.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.place.span);
        let beside = self.related.iter().filter(|related| related.is_beside(&self.place)).map(Related::label);
        Some(Box::new(std::iter::once(first).chain(beside)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let mut elsewhere = self.related.iter().filter(|related| !related.is_beside(&self.place)).peekable();
        elsewhere.peek()?;
        Some(Box::new(elsewhere.map(|related| related as &dyn Diagnostic)))
    }
}

/// One finding as `--format json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRecord {
    pub code: &'static str,
    pub severity: Severity,
    /// None for what concerns no single cluster.
    pub cluster: Option<String>,
    pub message: String,
    pub repair: String,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

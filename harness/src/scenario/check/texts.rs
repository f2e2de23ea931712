//! `${…}` in texts: does it exist, and is it known when it is needed.

use std::collections::BTreeSet;
use std::ops::Range;

use miette::SourceSpan;
use serde_json::Value;

use super::super::problem::{ProblemKind, What};
use super::super::variable::{Piece, Variable, pieces};
use super::Checker;
use crate::yaml::{self, child};

/// When a text is filled in.
pub(super) enum Scope<'s> {
    /// Before the first step: objects, the operator's configuration.
    BeforeSteps,
    /// At a step, with the clusters that were created and the marks that were taken before it.
    AtStep { created: &'s BTreeSet<&'s str>, marks: &'s BTreeSet<&'s str> },
    /// After the last step.
    AtEnd,
}

impl Checker<'_> {
    /// Checks every text inside a value of the file.
    pub(super) fn texts(&mut self, pointer: &str, value: &Value, scope: &Scope<'_>) {
        match value {
            Value::String(text) => self.text(pointer, text, scope),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.texts(&format!("{pointer}/{index}"), item, scope);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.texts(&child(pointer, name), field, scope);
                }
            }
            _ => {}
        }
    }

    /// Checks one text that stands in the file at `pointer`, or in a file that the value at `pointer` names.
    pub(super) fn text(&mut self, pointer: &str, text: &str, scope: &Scope<'_>) {
        for piece in pieces(text) {
            let Piece::Variable { range, variable } = piece else { continue };
            let written = &text[range.clone()];
            let found = match variable {
                Ok(variable) => self.variable_problem(&variable, scope),
                Err(error) => {
                    let kind = ProblemKind::BadVariable { text: written.to_owned(), why: error.to_string() };
                    Some((kind, Some(error.help())))
                }
            };
            if let Some((kind, help)) = found {
                let span = self.span_of(pointer, text, range);
                self.add_at(pointer, span, kind, help);
            }
        }
    }

    fn variable_problem(
        &self,
        variable: &Variable,
        scope: &Scope<'_>,
    ) -> Option<(ProblemKind, Option<String>)> {
        let marks: Vec<&str> = self.marks.iter().copied().collect();
        let (what, name, candidates) = match variable {
            Variable::ClusterUid(name) => {
                let archived = self.archived.iter().copied();
                (What::Cluster, name, self.cluster_names().into_iter().chain(archived).collect())
            }
            Variable::MarkTime(name) | Variable::MarkLsn(name) => (What::Mark, name, marks),
            Variable::AccountName(name) | Variable::AccountKey(name) | Variable::AccountSas(name, _) => {
                (What::Account, name, self.account_names())
            }
            Variable::PostgresVersion | Variable::DrillNamespace => return None,
        };
        if !candidates.contains(&name.as_str()) {
            let kind = ProblemKind::UnknownName { what, name: name.clone() };
            return Some((kind, Some(yaml::help(name, &candidates))));
        }
        let variable = variable.to_string();
        match (what, scope) {
            (What::Account, _) | (_, Scope::AtEnd) => None,
            (_, Scope::BeforeSteps) => {
                let why = "objects and the operator's configuration are applied before the first step";
                Some((ProblemKind::OutOfPlace { variable, why }, None))
            }
            (What::Cluster, Scope::AtStep { created, .. }) => (!created.contains(name.as_str())).then(|| {
                let help = format!("a step `- create: {name}` must come first");
                (ProblemKind::TooEarly { variable }, Some(help))
            }),
            (_, Scope::AtStep { marks, .. }) => (!marks.contains(name.as_str())).then(|| {
                let help = format!("a step `- mark: {{ …, as: {name} }}` must come first");
                (ProblemKind::TooEarly { variable }, Some(help))
            }),
        }
    }

    /// The variable itself where its text can be found in the file, else the whole value.
    fn span_of(&self, pointer: &str, text: &str, range: Range<usize>) -> Option<SourceSpan> {
        let span = self.loaded.locate(pointer)?;
        let written = &text[range.clone()];
        let earlier = text[..range.start].matches(written).count();
        let value = self.loaded.file_of(pointer).1.get(span.offset()..span.offset() + span.len())?;
        let found = value.match_indices(written).nth(earlier);
        Some(found.map_or(span, |(offset, _)| (span.offset() + offset, written.len()).into()))
    }
}

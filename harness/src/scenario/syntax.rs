//! Errors of the YAML parser and of the types, as problems with places.

use std::path::Path;
use std::sync::Arc;

use miette::SourceSpan;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use super::error::Problem;
use super::nearest;
use super::places::Places;
use super::problem::ProblemKind;

/// The problem behind an error of the parser.
pub(super) fn problem(error: &Error, file: &Path, source: &Arc<str>, places: &Places) -> Problem {
    let error = error.without_snippet();
    let (kind, help) = kind_and_help(error);
    let span = error.location().and_then(|location| {
        let start = usize::try_from(location.span().byte_offset()?).ok()?.min(source.len());
        let length = usize::try_from(location.span().byte_len().unwrap_or(1)).ok()?;
        Some(SourceSpan::from((start, first_line(&source[start..], length))))
    });
    let span = span.or_else(|| places.locate(""));
    Problem::new(kind, help, file, source, span)
}

/// A caret under many lines hides what it points at.
fn first_line(rest: &str, length: usize) -> usize {
    let line = rest.find('\n').unwrap_or(rest.len()).max(1);
    length.clamp(1, line)
}

fn kind_and_help(error: &Error) -> (ProblemKind, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (ProblemKind::UnknownField(field.clone()), Some(nearest::help(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let kind = ProblemKind::NotAllowed { value: variant.clone(), allowed: "known here" };
            (kind, Some(nearest::help(variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => (ProblemKind::MissingField((*field).to_owned()), None),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (ProblemKind::WrongType(format!("found {unexpected}, expected {expected}")), None)
        }
        Error::Unexpected { expected, .. } => (ProblemKind::WrongType(format!("expected {expected}")), None),
        Error::NullIntoString { .. } => {
            (ProblemKind::WrongType("found nothing, expected a text".to_owned()), None)
        }
        Error::InvalidBooleanStrict { .. } => {
            (ProblemKind::WrongType("expected `true` or `false`".to_owned()), None)
        }
        Error::InvalidScalar { ty, .. } => (ProblemKind::WrongType(format!("expected {ty}")), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            (ProblemKind::Syntax(format!("the key `{key}` is there twice")), None)
        }
        Error::AliasError { error, .. } => kind_and_help(error),
        other => (ProblemKind::Syntax(UserMessageFormatter.format_message(other).into_owned()), None),
    }
}

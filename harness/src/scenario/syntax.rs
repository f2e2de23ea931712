//! Errors of the YAML parser and of the types, as problems with places.

use std::path::Path;
use std::sync::Arc;

use miette::SourceSpan;
use serde_saphyr::{Error, Location, MessageFormatter, UserMessageFormatter};

use super::error::Problem;
use super::expect::RESERVED_NAMES;
use super::nearest;
use super::places::Places;
use super::problem::ProblemKind;

/// The problem behind an error of the parser.
pub(super) fn problem(error: &Error, file: &Path, source: &Arc<str>, places: &Places) -> Problem {
    let error = error.without_snippet();
    let (kind, mut help) = kind_and_help(error);
    let mut span = error.location().map(|location| span_of(location, source));
    if let Some(pointer) = span.and_then(|span| places.pointer_at(span.offset())) {
        if matches!(kind, ProblemKind::MissingField(_)) {
            // The parser notices at the map's last key; what lacks the field is the map.
            span = pointer.rfind('/').and_then(|end| places.locate(&pointer[..end]));
        } else if let Some(name) = pointer.strip_prefix("/expect/") {
            // Any other key of `expect` is taken for a cluster.
            let near = nearest::nearest(name, &RESERVED_NAMES).filter(|near| *near != name);
            help = help.or_else(|| near.map(nearest::did_you_mean));
        }
    }
    Problem::new(kind, help, file, source, span.or_else(|| places.locate("")))
}

/// The parser knows bytes for values, but only characters for what is no YAML.
fn span_of(location: Location, source: &str) -> SourceSpan {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let span = location.span();
    let start = match span.byte_offset() {
        Some(offset) => size(offset).min(source.len()),
        None => source.char_indices().nth(size(span.offset())).map_or(source.len(), |(offset, _)| offset),
    };
    let length = span.byte_len().map_or(1, size);
    (start, first_line(&source[start..], length)).into()
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
            (ProblemKind::NotAllowed(variant.clone()), Some(nearest::help(variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => (ProblemKind::MissingField((*field).to_owned()), None),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (ProblemKind::WrongType(format!("found {unexpected}, expected {expected}")), None)
        }
        Error::Unexpected { expected, .. } => {
            let expected = match *expected {
                "sequence start" => "a list",
                "mapping start" => "a map",
                "string scalar" => "a text",
                other => other,
            };
            (ProblemKind::WrongType(format!("expected {expected}")), None)
        }
        Error::Eof { .. } => (ProblemKind::Syntax("there is nothing in it".to_owned()), None),
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
        other => {
            let message = UserMessageFormatter.format_message(other).into_owned();
            // The parser notices where the next quote closes what was left open, which may be many lines below.
            let help = message.contains("quoted scalar").then(|| "is a quote above left open?".to_owned());
            (ProblemKind::Syntax(message), help)
        }
    }
}

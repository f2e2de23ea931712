//! Errors of the YAML parser and of the types, as problems with places.

use std::path::Path;
use std::sync::Arc;

use serde_saphyr::Error;

use super::error;
use super::expect::RESERVED_NAMES;
use super::problem::ProblemKind;
use crate::diagnosis::Diagnosis;
use crate::yaml::{self, Places, did_you_mean, nearest, span_of};

/// The problem behind an error of the parser.
pub(super) fn problem(error: &Error, file: &Path, source: &Arc<str>, places: &Places) -> Diagnosis {
    let error = error.without_snippet();
    let (kind, mut help) = kind_and_help(error);
    let mut span = error.location().map(|location| span_of(location, source));
    if let Some(pointer) = span.and_then(|span| places.pointer_at(span.offset())) {
        if matches!(kind, ProblemKind::MissingField(_)) {
            // The parser notices at the map's last key; what lacks the field is the map.
            span = pointer.rfind('/').and_then(|end| places.locate(&pointer[..end]));
        } else if let Some(name) = pointer.strip_prefix("/expect/") {
            // Any other key of `expect` is taken for a cluster.
            let near = nearest(name, &RESERVED_NAMES).filter(|near| *near != name);
            help = help.or_else(|| near.map(did_you_mean));
        }
    }
    error::problem(&kind, help, file, source, span.or_else(|| places.locate("")))
}

/// What the parser found, and where.
pub(super) struct Fault {
    pub(super) kind: ProblemKind,
    pub(super) help: Option<String>,
    /// The JSON pointer of what is at fault; of a map that lacks a field, the map's.
    pub(super) at: String,
}

/// The fault that the parser found in `text`; none where it says no place, or the text is no YAML.
pub(super) fn fault(error: &Error, text: &str) -> Option<Fault> {
    let error = error.without_snippet();
    let (kind, help) = kind_and_help(error);
    let places = Places::of(text);
    let at = places.pointer_at(span_of(error.location()?, text).offset())?;
    let at = match kind {
        // The parser notices at the map's last key.
        ProblemKind::MissingField(_) => &at[..at.rfind('/')?],
        _ => at,
    };
    Some(Fault { at: at.to_owned(), kind, help })
}

fn kind_and_help(error: &Error) -> (ProblemKind, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (ProblemKind::UnknownField(field.clone()), Some(yaml::help(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (ProblemKind::NotAllowed(variant.clone()), Some(yaml::help(variant, expected)))
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
        Error::NullIntoString { .. } => {
            (ProblemKind::WrongType("found nothing, expected a text".to_owned()), None)
        }
        Error::InvalidBooleanStrict { .. } => {
            (ProblemKind::WrongType("expected `true` or `false`".to_owned()), None)
        }
        Error::InvalidScalar { ty, .. } => (ProblemKind::WrongType(format!("expected {ty}")), None),
        Error::AliasError { error, .. } => kind_and_help(error),
        other => {
            let message = yaml::message(other);
            // The parser notices where the next quote closes what was left open, which may be many lines below.
            let help = message.contains("quoted scalar").then(|| "is a quote above left open?".to_owned());
            (ProblemKind::Syntax(message), help)
        }
    }
}

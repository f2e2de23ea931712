//! Errors of the YAML parser: their place in bytes, and a message without the parser's own snippet.

use miette::SourceSpan;
use serde_saphyr::{Error, Location, MessageFormatter, UserMessageFormatter};

/// The parser knows bytes for values, but only characters for what is no YAML.
pub fn span_of(location: Location, source: &str) -> SourceSpan {
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

/// What is wrong with the syntax, as a fragment.
pub fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::Eof { .. } => "there is nothing in it".to_owned(),
        Error::DuplicateMappingKey { key, .. } => {
            format!("the key `{}` is there twice", key.as_deref().unwrap_or("?"))
        }
        Error::AliasError { error, .. } => message(error),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

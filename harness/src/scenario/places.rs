//! Where each value of a YAML document stands, by JSON pointer.

use std::collections::BTreeMap;

use miette::SourceSpan;
use serde_saphyr::granit_parser::{Event, Parser, Span};

/// The places of one document's keys and values.
#[derive(Debug, Clone, Default)]
pub struct Places {
    by_pointer: BTreeMap<String, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// The key before the value; none for items of a list.
    key: Option<SourceSpan>,
    value: SourceSpan,
    scalar: bool,
}

/// A list or map whose end has not been read yet.
enum Open {
    List {
        pointer: String,
        next: usize,
    },
    /// `key` is set between a key and its value.
    Map {
        pointer: String,
        key: Option<(String, SourceSpan)>,
    },
    /// A map or list that is a key: its parts have no pointers.
    InsideKey,
}

impl Places {
    /// Reads the places of the first document of `source`; of a document that is no YAML, those before the error.
    pub fn of(source: &str) -> Places {
        let mut places = Places::default();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(source) {
            let Ok((event, span)) = event else { break };
            let span = bytes(&span, source.len());
            match event {
                Event::Scalar(text, ..) => places.scalar(&mut open, &text, span),
                // What stands behind an alias has no place of its own: the alias stands for all of it.
                Event::Alias(_) => places.scalar(&mut open, "", span),
                Event::SequenceStart(..) => {
                    let pointer = places.value(&mut open, span, false);
                    open.push(pointer.map_or(Open::InsideKey, |pointer| Open::List { pointer, next: 0 }));
                }
                Event::MappingStart(..) => {
                    let pointer = places.value(&mut open, span, false);
                    open.push(pointer.map_or(Open::InsideKey, |pointer| Open::Map { pointer, key: None }));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if matches!(open.pop(), Some(Open::InsideKey))
                        && let Some(Open::Map { key, .. }) = open.last_mut()
                    {
                        *key = Some((String::new(), span));
                    }
                }
                Event::DocumentEnd => break,
                _ => {}
            }
        }
        places
    }

    fn scalar(&mut self, open: &mut [Open], text: &str, span: SourceSpan) {
        if let Some(Open::Map { key: key @ None, .. }) = open.last_mut() {
            *key = Some((text.to_owned(), span));
        } else {
            self.value(open, span, true);
        }
    }

    /// Notes a value and gives its pointer, or none where it is part of a key.
    fn value(&mut self, open: &mut [Open], span: SourceSpan, scalar: bool) -> Option<String> {
        let (pointer, key) = match open.last_mut() {
            None => (String::new(), None),
            Some(Open::List { pointer, next }) => {
                *next += 1;
                (child(pointer, &(*next - 1).to_string()), None)
            }
            Some(Open::Map { pointer, key }) => {
                let (name, span) = key.take()?;
                (child(pointer, &name), Some(span))
            }
            Some(Open::InsideKey) => return None,
        };
        self.by_pointer.insert(pointer.clone(), Place { key, value: span, scalar });
        Some(pointer)
    }

    /// The place to point at for `pointer`: a scalar itself, a map's or list's key, or those of its nearest
    /// ancestor that stands in the document.
    pub fn locate(&self, pointer: &str) -> Option<SourceSpan> {
        let place = self.nearest(pointer)?;
        Some(if place.scalar { place.value } else { place.key.unwrap_or(place.value) })
    }

    /// The key before the value at `pointer`, or what [`Places::locate`] gives where there is none.
    pub fn locate_key(&self, pointer: &str) -> Option<SourceSpan> {
        self.by_pointer.get(pointer).and_then(|place| place.key).or_else(|| self.locate(pointer))
    }

    /// The pointer of the key or value that begins at a byte of the document; the deepest one.
    pub fn pointer_at(&self, offset: usize) -> Option<&str> {
        let begins = |span: SourceSpan| span.offset() == offset;
        let found = |place: &Place| begins(place.value) || place.key.is_some_and(begins);
        self.by_pointer.iter().rev().find(|(_, place)| found(place)).map(|(pointer, _)| pointer.as_str())
    }

    fn nearest(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.by_pointer.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// The pointer of `name` inside `pointer`, escaped as RFC 6901 asks.
pub fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Line and column of a byte of `source`, both from 1, the column in characters.
pub fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = || source.char_indices().take_while(|(at, _)| *at < offset).map(|(_, character)| character);
    let line = before().filter(|character| *character == '\n').count() + 1;
    let column = before().fold(1, |column, character| if character == '\n' { 1 } else { column + 1 });
    (line, column)
}

fn bytes(span: &Span, limit: usize) -> SourceSpan {
    let start = span.start.byte_offset().unwrap_or(0).min(limit);
    let end = span.end.byte_offset().unwrap_or(start).clamp(start, limit);
    // A caret needs one character; starts of lists and maps are empty spans.
    (start, (end - start).max(1)).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SOURCE: &str = "a:\n  b: [x, {c: ü, d: y}]\n  'e/f': |\n    text\nz: &anchor {k: v}\nw: *anchor\n";

    fn text_at(pointer: &str) -> &'static str {
        let span = Places::of(SOURCE).locate(pointer).unwrap();
        &SOURCE[span.offset()..span.offset() + span.len()]
    }

    #[test]
    fn scalars_are_found_by_their_pointers() {
        assert_eq!(text_at("/a/b/0"), "x");
        assert_eq!(text_at("/a/b/1/d"), "y");
        assert_eq!(text_at("/z/k"), "v");
    }

    #[test]
    fn maps_and_lists_are_pointed_at_by_their_keys() {
        assert_eq!(text_at("/a/b"), "b");
        assert_eq!(text_at("/a"), "a");
    }

    #[test]
    fn missing_values_are_pointed_at_by_their_nearest_ancestor() {
        assert_eq!(text_at("/a/b/missing/deeper"), "b");
        assert_eq!(text_at("/w/k"), "*anchor");
    }

    #[test]
    fn slashes_in_keys_are_escaped() {
        assert!(text_at(&child("/a", "e/f")).contains("text"));
    }

    #[test]
    fn a_byte_is_found_again() {
        let places = Places::of(SOURCE);
        assert_eq!(places.pointer_at(SOURCE.find("d: y").unwrap()), Some("/a/b/1/d"));
        assert_eq!(places.pointer_at(SOURCE.find("x, {").unwrap()), Some("/a/b/0"));
    }

    #[test]
    fn columns_count_characters() {
        let offset = SOURCE.find("d: y").unwrap();
        assert_eq!(line_and_column(SOURCE, offset), (2, 17));
    }
}

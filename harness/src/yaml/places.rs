//! Where each value of a YAML document stands, by JSON pointer.

use std::collections::BTreeMap;

use miette::SourceSpan;
use serde_saphyr::granit_parser::{Event, Parser, Span};

/// Aliases of aliases that are followed; YAML that people write has none, and this ends what has no end.
const DEEPEST: usize = 8;

/// The places of one document's keys and values.
#[derive(Debug, Clone, Default)]
pub struct Places {
    by_pointer: BTreeMap<String, Place>,
    /// The pointer of each value that is an alias, and that of the value that it stands for.
    aliases: BTreeMap<String, String>,
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
        Places::of_part(source, 0)
    }

    /// The same of a document that begins at a byte of a longer text: places are those in the longer text.
    pub fn of_part(source: &str, start: usize) -> Places {
        let mut places = Places::default();
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: BTreeMap<usize, String> = BTreeMap::new();
        for event in Parser::new_from_str(source) {
            let Ok((event, span)) = event else { break };
            let span = bytes(&span, source.len(), start);
            match event {
                Event::Scalar(text, _, anchor, _) => {
                    let pointer = places.scalar(&mut open, &text, span);
                    anchors.extend(pointer.filter(|_| anchor > 0).map(|pointer| (anchor, pointer)));
                }
                Event::Alias(anchor) => {
                    let pointer = places.scalar(&mut open, "", span);
                    places.aliases.extend(pointer.zip(anchors.get(&anchor).cloned()));
                }
                Event::SequenceStart(_, anchor, _) => {
                    let pointer = places.value(&mut open, span, false);
                    anchors.extend(pointer.clone().filter(|_| anchor > 0).map(|pointer| (anchor, pointer)));
                    open.push(pointer.map_or(Open::InsideKey, |pointer| Open::List { pointer, next: 0 }));
                }
                Event::MappingStart(_, anchor, _) => {
                    let pointer = places.value(&mut open, span, false);
                    anchors.extend(pointer.clone().filter(|_| anchor > 0).map(|pointer| (anchor, pointer)));
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

    /// Notes a key, or a value and gives its pointer.
    fn scalar(&mut self, open: &mut [Open], text: &str, span: SourceSpan) -> Option<String> {
        if let Some(Open::Map { key: key @ None, .. }) = open.last_mut() {
            *key = Some((text.to_owned(), span));
            return None;
        }
        self.value(open, span, true)
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

    /// The span of the value itself, where it stands in the document; the whole of a scalar, the start of others.
    pub fn value_span(&self, pointer: &str) -> Option<SourceSpan> {
        self.by_pointer.get(pointer).map(|place| place.value)
    }

    /// The first and the last byte of what stands at a pointer and below it.
    pub fn extent(&self, pointer: &str) -> Option<(usize, usize)> {
        let inside = |known: &str| {
            known.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let places = self.by_pointer.iter().filter(|(known, _)| inside(known)).map(|(_, place)| place);
        let (mut first, mut last) = (None::<usize>, None::<usize>);
        for place in places {
            let begins = place.key.map_or(place.value.offset(), |key| key.offset().min(place.value.offset()));
            let ends = place.value.offset() + place.value.len();
            first = Some(first.map_or(begins, |first| first.min(begins)));
            last = Some(last.map_or(ends, |last| last.max(ends)));
        }
        first.zip(last)
    }

    /// Every scalar below a pointer, with its place.
    pub fn scalars_below<'a>(&'a self, pointer: &'a str) -> impl Iterator<Item = (&'a str, SourceSpan)> {
        let below = format!("{pointer}/");
        self.by_pointer
            .range(below.clone()..)
            .take_while(move |(at, _)| at.starts_with(&below))
            .filter(|(_, place)| place.scalar)
            .map(|(at, place)| (at.as_str(), place.value))
    }

    fn nearest(&self, pointer: &str) -> Option<Place> {
        self.behind_aliases(pointer, 0).or_else(|| {
            let mut pointer = pointer;
            loop {
                if let Some(place) = self.by_pointer.get(pointer) {
                    return Some(*place);
                }
                pointer = &pointer[..pointer.rfind('/')?];
            }
        })
    }

    /// The value itself, where need be behind aliases and merge keys.
    fn behind_aliases(&self, pointer: &str, depth: usize) -> Option<Place> {
        if let Some(place) = self.by_pointer.get(pointer) {
            return Some(*place);
        }
        if depth == DEEPEST {
            return None;
        }
        let ancestors = pointer.match_indices('/').map(|(end, _)| pointer.split_at(end)).rev();
        ancestors.filter(|(ancestor, _)| self.by_pointer.contains_key(*ancestor)).find_map(
            |(ancestor, rest)| {
                let merged = child(ancestor, "<<");
                let here = [ancestor.to_owned(), merged.clone()].into_iter();
                // A merge key takes a list of maps as well.
                let candidates = here.chain(
                    (0..)
                        .map(|index| format!("{merged}/{index}"))
                        .take_while(|item| self.by_pointer.contains_key(item)),
                );
                candidates
                    .filter_map(|candidate| self.aliases.get(&candidate))
                    .find_map(|target| self.behind_aliases(&format!("{target}{rest}"), depth + 1))
            },
        )
    }
}

/// The pointer of `name` inside `pointer`, escaped as RFC 6901 asks.
pub fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// One step of a pointer, as it is called in the document.
pub fn step(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// `spec.env[0].name`, as the API server names a field, as a JSON pointer.
pub fn pointer_of_field(field: &str) -> String {
    field
        .split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .fold(String::new(), |pointer, part| child(&pointer, part.trim_matches('"')))
}

/// Line and column of a byte of `source`, both from 1, the column in characters.
pub fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = || source.char_indices().take_while(|(at, _)| *at < offset).map(|(_, character)| character);
    let line = before().filter(|character| *character == '\n').count() + 1;
    let column = before().fold(1, |column, character| if character == '\n' { 1 } else { column + 1 });
    (line, column)
}

fn bytes(span: &Span, limit: usize, base: usize) -> SourceSpan {
    let start = span.start.byte_offset().unwrap_or(0).min(limit);
    let end = span.end.byte_offset().unwrap_or(start).clamp(start, limit);
    // A caret needs one character; starts of lists and maps are empty spans.
    (base + start, (end - start).max(1)).into()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(text_at("/w/missing"), "*anchor");
    }

    #[test]
    fn what_stands_behind_an_alias_or_a_merge_key_is_found_at_the_anchor() {
        assert_eq!(text_at("/w/k"), "v");
        assert_eq!(text_at("/w"), "*anchor");
        let merged = "base: &base { image: x, env: [{ name: A }] }\none: { <<: *base, image: y }\ntwo: { <<: [*base] }\n";
        let text_at = |pointer: &str| {
            let span = Places::of(merged).locate(pointer).unwrap();
            &merged[span.offset()..span.offset() + span.len()]
        };
        assert_eq!(
            (text_at("/one/env/0/name"), text_at("/one/image"), text_at("/two/image")),
            ("A", "y", "x")
        );
    }

    #[test]
    fn places_of_a_part_are_those_of_the_whole() {
        let whole = "a: 1\n---\nb: 2\n";
        let start = whole.find("---").unwrap();
        let span = Places::of_part(&whole[start..], start).locate("/b").unwrap();
        assert_eq!(span.offset(), whole.find('2').unwrap());
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

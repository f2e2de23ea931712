//! A file's documents, told apart by their markers before anything is parsed: one that is no YAML leaves the others.

use std::ops::Range;

/// The bytes of each document that has anything in it. A line that begins with `---` or `...` is a marker wherever it
/// stands, in the midst of a text too: YAML forbids it there.
pub(super) fn documents(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if is_marker(line, "---") {
            found.push(start..at);
            start = at;
        } else if is_marker(line, "...") {
            found.push(start..at);
            start = at + line.len();
        }
        at += line.len();
    }
    found.push(start..text.len());
    found.retain(|range| text.get(range.clone()).is_some_and(holds_something));
    found
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Comments, directives and the marker itself are nothing.
fn holds_something(document: &str) -> bool {
    document.lines().any(|line| {
        let line = if is_marker(line, "---") { &line["---".len()..] } else { line };
        let line = line.trim_start_matches('\u{feff}').trim();
        !(line.is_empty() || line.starts_with('#') || line.starts_with('%'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        documents(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn each_document_stands_alone() {
        assert_eq!(
            parts("a: 1\n---\nb: 2\n--- # third\nc: 3\n"),
            ["a: 1\n", "---\nb: 2\n", "--- # third\nc: 3\n"]
        );
        assert_eq!(parts("a: |\n  --- not one\n ---\nb: 2\n").len(), 1);
        assert_eq!(parts("--- {a: 1}\n...\n--- {b: 2}"), ["--- {a: 1}\n", "--- {b: 2}"]);
        assert_eq!(parts("a: 1\r\n---\r\nb: 2\r\n").len(), 2);
    }

    #[test]
    fn what_holds_nothing_is_no_document() {
        assert!(parts("").is_empty());
        assert!(parts("---\n# Source: chart/templates/nothing.yaml\n---\n\n---\n").is_empty());
        assert_eq!(parts("%YAML 1.2\n---\na: 1\n"), ["---\na: 1\n"]);
    }
}

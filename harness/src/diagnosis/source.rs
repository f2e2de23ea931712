//! A file as it is shown to people: every key and password in it can be covered.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

use crate::yaml::line_and_column;

/// What was read from one file, or from stdin.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user named it; `<stdin>` for what was piped in.
    pub file: PathBuf,
    /// What is shown was built from the file: lines are not those of it.
    built: bool,
    shown: NamedSource<Shown>,
}

/// Debug output of a diagnostic must not hold a whole file.
#[derive(Clone)]
struct Shown(Arc<str>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl miette::SourceCode for Shown {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        self.0.read_span(span, before, after)
    }
}

impl SourceFile {
    /// `secret` are the parts that nobody may read, as bytes of `text`.
    pub(crate) fn new(file: &Path, text: &str, secret: &[Range<usize>]) -> Self {
        let mut secret = secret.to_vec();
        secret.sort_by_key(|range| range.start);
        let (mut ranges, mut end) = (secret.iter().peekable(), 0);
        let shown: String = text
            .char_indices()
            .map(|(at, symbol)| {
                while let Some(range) = ranges.next_if(|range| range.start <= at) {
                    end = end.max(range.end);
                }
                if at < end && !symbol.is_whitespace() { cover(symbol) } else { symbol }
            })
            .collect();
        let name = file.display().to_string();
        SourceFile {
            file: file.to_owned(),
            built: false,
            shown: NamedSource::new(name, Shown(shown.into())).with_language("YAML"),
        }
    }

    /// The same text as of a file that is not here: what was built from it.
    pub(crate) fn elsewhere(file: &Path, built: &SourceFile) -> Self {
        let name = format!("{} (as it was built)", file.display());
        SourceFile {
            file: file.to_owned(),
            built: true,
            shown: NamedSource::new(name, built.shown.inner().clone()).with_language("YAML"),
        }
    }

    /// What a cluster says of an object: the names of its keys.
    pub(crate) fn of_cluster(object: &Path, text: &str) -> Self {
        let name = format!("{} (in the cluster)", object.display());
        SourceFile {
            file: object.to_owned(),
            built: true,
            shown: NamedSource::new(name, Shown(text.into())).with_language("YAML"),
        }
    }

    /// The text with its secrets covered: lines, columns and bytes are those of the file.
    pub fn text(&self) -> &str {
        &self.shown.inner().0
    }

    /// The text for a snippet.
    pub fn source_code(&self) -> &dyn miette::SourceCode {
        &self.shown
    }
}

/// As many bytes as the symbol has, so that places stay what they are.
fn cover(symbol: char) -> char {
    match symbol.len_utf8() {
        1 => '*',
        2 => '·',
        3 => '•',
        _ => '🞄',
    }
}

/// A place in a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file with its text, for the lines around the place.
    pub source: Arc<SourceFile>,
    /// In bytes of the whole file.
    pub span: SourceSpan,
}

impl Place {
    /// Where a word stands in a file that holds no secrets.
    pub fn of_text(file: &Path, text: &str, word: &str) -> Option<Place> {
        let at = text.find(word)?;
        let source = Arc::new(SourceFile::new(file, text, &[]));
        Some(Place { source, span: (at, word.len()).into() })
    }

    /// The file that it is in.
    pub fn file(&self) -> &Path {
        &self.source.file
    }

    /// Line and column, both from 1, the column in characters.
    pub fn start(&self) -> (usize, usize) {
        if self.source.built {
            return (1, 1);
        }
        line_and_column(self.source.text(), self.span.offset())
    }

    /// The same of the first character behind the place.
    pub fn end(&self) -> (usize, usize) {
        if self.source.built {
            return (1, 1);
        }
        line_and_column(self.source.text(), self.span.offset() + self.span.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_covered_keeps_its_length_in_bytes_and_characters() {
        let text = "a: kéy€🔑\n  more\nb: 1\n";
        let end = text.find("b:").unwrap_or_default();
        let source = SourceFile::new(Path::new("x.yaml"), text, &[4..5, 3..end, 3..4]);
        assert_eq!(source.text(), "a: *·*•🞄\n  ****\nb: 1\n");
        assert_eq!(source.text().len(), text.len());
    }
}

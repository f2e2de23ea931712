//! What came on stdin, by the file that it was built from or by its own name: nobody has a file of stdin's name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Document;
use super::files::STDIN_SHOWN;
use super::origin::find;
use super::{parts, read};
use crate::diagnosis::{Diagnosis, Place, SourceFile};

/// Points problems at the file that the object was built from, else at the object.
pub(super) fn map_problems_back(problems: &mut [Diagnosis]) {
    let places = problems.iter_mut().flat_map(Diagnosis::places_mut);
    for place in places.filter(|place| place.file() == Path::new(STDIN_SHOWN)) {
        *place = built_from(place);
    }
}

fn built_from(place: &Place) -> Place {
    let piped = Piped::at(place);
    let original = piped.origin.as_deref().and_then(find).and_then(|file| {
        let text = std::fs::read_to_string(&file).ok()?;
        let read = read::read(std::iter::once((file.as_path(), text.as_str())));
        let named = read.documents.iter().find(|document| {
            piped.kind.as_deref() == Some(document.kind.name())
                && piped.name.as_deref() == Some(&document.name)
        });
        named.map(Document::place_of_name)
    });
    original.unwrap_or_else(|| {
        let path = piped.origin.or_else(|| piped.template.map(|path| find(&path).unwrap_or(path)));
        let path = path.unwrap_or(piped.object);
        Place { source: Arc::new(SourceFile::elsewhere(&path, &place.source)), span: place.span }
    })
}

/// What a document of stdin says of itself, read line by line: it may be no YAML.
struct Piped {
    /// The file that kustomize says it is from.
    origin: Option<PathBuf>,
    /// The file that Helm says it is from.
    template: Option<PathBuf>,
    kind: Option<String>,
    name: Option<String>,
    /// `Secret/shop/keys`, or the document's number.
    object: PathBuf,
}

impl Piped {
    fn at(place: &Place) -> Piped {
        let (text, at) = (place.source.text(), place.span.offset());
        let parts = parts::documents(text);
        let number = parts.iter().rposition(|part| part.start <= at).unwrap_or_default();
        let part = parts.get(number).map_or(0..text.len(), Clone::clone);
        let whole = text.get(part.clone()).unwrap_or_default();
        let lines = item_of_list(whole, at.saturating_sub(part.start))
            .unwrap_or_else(|| whole.lines().map(str::to_owned).collect());
        let metadata = block(&lines, "metadata");
        let value = |lines: &[String], key: &str| {
            lines.iter().find_map(|line| Some(plain(line.strip_prefix(key)?.strip_prefix(':')?)))
        };
        let kind = value(&lines, "kind").filter(|kind| !kind.is_empty());
        let name = value(&metadata, "name").filter(|name| !name.is_empty());
        let namespace = value(&metadata, "namespace").filter(|name| !name.is_empty() && name != "default");
        let origin = block(&block(&metadata, "annotations"), "config.kubernetes.io/origin");
        let origin = if value(&origin, "repo").is_some() { None } else { value(&origin, "path") };
        let object = match (&kind, &name) {
            (Some(kind), Some(name)) => {
                [Some(kind), namespace.as_ref(), Some(name)].into_iter().flatten().collect()
            }
            _ => PathBuf::from(format!("stdin/document-{}", number + 1)),
        };
        let template = whole.lines().find_map(|line| line.trim_end().strip_prefix("# Source: "));
        Piped { origin: origin.map(PathBuf::from), template: template.map(PathBuf::from), kind, name, object }
    }
}

/// The item of a list that a byte is in, as lines of their own.
fn item_of_list(document: &str, at: usize) -> Option<Vec<String>> {
    document.lines().find(|line| line.trim_end() == "items:")?;
    let begins =
        |line: &str| line.trim_start().starts_with("- ").then(|| line.len() - line.trim_start().len());
    let indent = document.lines().skip_while(|line| line.trim_end() != "items:").skip(1).find_map(begins)?;
    let (mut items, mut offset) = (Vec::<Vec<String>>::new(), 0);
    for line in document.split_inclusive('\n') {
        if offset > at && begins(line) == Some(indent) {
            break;
        }
        if begins(line) == Some(indent) {
            items.push(Vec::new());
        }
        if let Some(item) = items.last_mut() {
            item.push(line.get(indent + 2..).unwrap_or_default().trim_end().to_owned());
        }
        offset += line.len();
    }
    items.pop()
}

/// The lines below a key, as if they stood alone; those of a map on one line, too.
fn block(lines: &[String], key: &str) -> Vec<String> {
    let is_key = |line: &&String| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let Some(at) = lines.iter().position(|line| is_key(&line)) else { return Vec::new() };
    let rest = lines[at][key.len() + 1..].trim();
    if let Some(inside) = rest.strip_prefix('{') {
        return inside.trim_end_matches('}').split(',').map(|pair| pair.trim().to_owned()).collect();
    }
    let inside: Vec<&String> =
        lines[at + 1..].iter().take_while(|line| line.is_empty() || line.starts_with(' ')).collect();
    let indent = inside
        .iter()
        .find(|line| !line.trim().is_empty())
        .map_or(0, |line| line.len() - line.trim_start().len());
    inside.into_iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect()
}

/// A scalar without quotes and comments.
fn plain(text: &str) -> String {
    text.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files and lines of problems of what was piped in.
    fn problems_of(text: &str) -> Vec<String> {
        let mut read = read::read(std::iter::once((Path::new(STDIN_SHOWN), text)));
        map_problems_back(&mut read.problems);
        let places = read.problems.iter_mut().flat_map(|problem| {
            let places = problem.places_mut().map(|place| place.file().display().to_string());
            places.collect::<Vec<_>>()
        });
        places.collect()
    }

    #[test]
    fn problems_of_stdin_are_in_the_object_or_the_document_and_never_in_stdin() {
        let keys = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: keys\n  namespace: shop\n";
        assert_eq!(problems_of(&format!("{keys}---\n{keys}")), ["Secret/shop/keys", "Secret/shop/keys"]);
        assert_eq!(problems_of(&format!("{keys}data:\n  a: b\n c: d\n")), ["Secret/shop/keys"], "no YAML");
        assert_eq!(problems_of(&format!("{keys}---\n- a\n- b\n")), ["stdin/document-2"]);
        assert_eq!(problems_of("# Source: chart/templates/a.yaml\nkind: [\n"), ["chart/templates/a.yaml"]);
        let template = format!("{keys}---\n# Source: chart/templates/a.yaml\n{keys}");
        assert_eq!(problems_of(&template), ["chart/templates/a.yaml", "Secret/shop/keys"]);
        let item = |metadata: &str| format!("- apiVersion: v1\n  kind: Secret\n  metadata: {metadata}\n");
        let items =
            ["{ name: a }", "{ name: a, namespace: default }", "{ labels: { name: x } }"].map(item).concat();
        let list = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
        assert_eq!(problems_of(&list), ["Secret/a", "Secret/a", "stdin/document-1"]);
    }

    #[test]
    fn problems_are_in_the_file_that_kustomize_names() {
        let annotated = |path: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: {path}\n  name: keys\n"
            )
        };
        let text = format!("{}---\n{}", annotated("base/a.yaml"), annotated("base/b.yaml"));
        assert_eq!(problems_of(&text), ["base/b.yaml", "base/a.yaml"]);
    }
}

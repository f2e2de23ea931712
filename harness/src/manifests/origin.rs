//! Where an object stood before kustomize or Helm put it out: kustomize's origin annotations (`buildMetadata:
//! [originAnnotations]`), Helm's `# Source:` comments.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::Document;
use super::files::STDIN_SHOWN;

use crate::diagnosis::SourceFile;

const ANNOTATION: &str = "/metadata/annotations/config.kubernetes.io~1origin";
/// Folders that are looked into for a file that an annotation names from somewhere else.
const DEEPEST: usize = 6;

/// The file that an object's annotation names; none for one from another repository.
fn named(value: &Value) -> Option<PathBuf> {
    let text = value.pointer(ANNOTATION)?.as_str()?;
    let field = |name: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    // What a generator or a remote base made is in no file here.
    if field("repo").is_some() {
        return None;
    }
    field("path").map(|path| PathBuf::from(path.trim_matches(['"', '\''])))
}

/// The file of a chart that Helm names before what it made of it.
fn template(document: &Document) -> Option<PathBuf> {
    let (start, _) = document.places.extent(&document.pointer)?;
    let before = document.source.text().get(..start)?;
    let of_document = before.lines().rev().take_while(|line| !line.starts_with("--- ") && *line != "---");
    let mut names = of_document.filter_map(|line| line.trim_end().strip_prefix("# Source: "));
    names.next().map(PathBuf::from)
}

/// Points the documents of built manifests at the files that they were built from, where those are here.
pub(super) fn map_back(documents: &mut [Document]) {
    for document in documents {
        let Some(path) = named(&document.value) else {
            // Nobody has a file of this name: its template, else the object itself.
            if document.source.file == Path::new(STDIN_SHOWN) {
                let object = || PathBuf::from(document.to_string().replace(' ', "/"));
                let path = template(document).map_or_else(object, |path| find(&path).unwrap_or(path));
                document.source = std::sync::Arc::new(SourceFile::elsewhere(&path, &document.source));
            }
            continue;
        };
        let found = find(&path);
        let Some((file, text)) = found.and_then(|file| {
            let text = std::fs::read_to_string(&file).ok()?;
            Some((file, text))
        }) else {
            // The file is known by name alone: its lines are not.
            document.source = std::sync::Arc::new(SourceFile::elsewhere(&path, &document.source));
            continue;
        };
        let read = super::read::read(std::iter::once((file.as_path(), text.as_str())));
        let alike = |other: &&Document| other.kind == document.kind && other.name == document.name;
        let of_kind = || read.documents.iter().filter(|other| other.kind == document.kind);
        // kustomize may have put something before or behind the name.
        let original =
            read.documents.iter().find(alike).or_else(|| of_kind().next().filter(|_| of_kind().count() == 1));
        if let Some(original) = original {
            document.source = original.source.clone();
            document.places = original.places.clone();
            document.pointer = original.pointer.clone();
        } else {
            document.source = std::sync::Arc::new(SourceFile::elsewhere(&path, &document.source));
        }
    }
}

/// The path as it is from here; or, since it is named from the folder that was built, the only file that ends so.
pub(super) fn find(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    let tail: PathBuf =
        path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
    let mut found = Vec::new();
    search(Path::new("."), &tail, 0, &mut found);
    match &found[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn search(folder: &Path, tail: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let here = folder.join(tail);
    if here.is_file() {
        found.push(here.strip_prefix(".").map_or(here.clone(), Path::to_owned));
    }
    if depth == DEEPEST || found.len() > 1 {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let skipped = matches!(entry.file_name().to_str(), Some("node_modules" | "target" | "vendor"));
        if !hidden && !skipped && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&entry.path(), tail, depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The files of what was read from a text, by name.
    fn files_of(file: &str, text: &str) -> Vec<String> {
        let mut read = super::super::read::read(std::iter::once((Path::new(file), text)));
        map_back(&mut read.documents);
        read.documents.iter().map(|document| document.source.file.display().to_string()).collect()
    }

    #[test]
    fn what_came_on_stdin_is_in_its_template_or_called_after_itself() {
        let secret = |name: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: {name} }}\n");
        let text = format!("---\n# Source: chart/templates/a.yaml\n{}---\n{}", secret("a"), secret("keys"));
        assert_eq!(files_of("<stdin>", &text), ["chart/templates/a.yaml", "Secret/keys"]);
        assert_eq!(files_of("built.yaml", &text), ["built.yaml", "built.yaml"], "its lines are there");
    }

    #[test]
    fn the_annotation_names_a_file_and_none_of_another_repository() {
        let with =
            |text: &str| json!({ "metadata": { "annotations": { "config.kubernetes.io/origin": text } } });
        assert_eq!(named(&with("path: base/orders.yaml\n")), Some("base/orders.yaml".into()));
        assert_eq!(named(&with("path: a.yaml\nrepo: https://example.org/x\nref: v1\n")), None);
        assert_eq!(
            named(&with("configuredIn: kustomization.yaml\nconfiguredBy:\n  kind: ConfigMapGenerator\n")),
            None
        );
        assert_eq!(named(&json!({})), None);
    }
}

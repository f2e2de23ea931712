//! From texts to documents: parsed one by one, lists taken apart, each object recognised by its kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use miette::SourceSpan;
use serde_json::{Map, Value};

use super::cover::Covered;
use super::document::{Document, Kind};
use super::problem::{ProblemKind, first_here};
use super::settings::{self, Hint};
use super::{Manifests, configmap, derived, parts, unbuilt};
use crate::diagnosis::{Diagnosis, Place, SourceFile};
use crate::yaml::{self, Places};

/// Reads each text as the file of this name.
pub(super) fn read<'t>(files: impl Iterator<Item = (&'t Path, &'t str)>) -> Manifests {
    let mut reader = Reader::default();
    for (file, text) in files {
        reader.file(file, text);
    }
    reader.keep_derived();
    let Reader { mut manifests, hints, .. } = reader;
    settings::choose(&mut manifests, &hints);
    manifests
}

/// A file's text as it is shown, with its keys and passwords covered.
pub(super) fn covered(file: &Path, text: &str) -> Arc<SourceFile> {
    let mut covered = Covered::default();
    for range in parts::documents(text) {
        let part = text.get(range.clone()).unwrap_or_default();
        match serde_saphyr::from_str::<Value>(part) {
            Ok(value) => covered.document(&value, &Places::of_part(part, range.start)),
            Err(_) => covered.unparsed(part, range.start),
        }
    }
    Arc::new(SourceFile::new(file, text, &covered.ranges))
}

#[derive(Default)]
struct Reader {
    manifests: Manifests,
    /// Where each object was first seen, by kind, namespace and name.
    seen: BTreeMap<(&'static str, String, String), Place>,
    hints: Vec<Hint>,
    /// Objects that are made in the cluster from others. One that is there itself counts more.
    derived: Vec<Document>,
}

/// A document of a file that was parsed, or the reason why not.
struct Parsed {
    start: usize,
    places: Arc<Places>,
    value: Result<Value, (String, SourceSpan)>,
}

impl Reader {
    fn file(&mut self, file: &Path, text: &str) {
        let mut covered = Covered::default();
        let parsed: Vec<Parsed> = parts::documents(text)
            .into_iter()
            .map(|range| {
                let part = text.get(range.clone()).unwrap_or_default();
                let places = Arc::new(Places::of_part(part, range.start));
                let value = serde_saphyr::from_str::<Value>(part).map_err(|error| {
                    let error = error.without_snippet();
                    let span = error.location().map_or((0, 1).into(), |at| yaml::span_of(at, part));
                    let span = SourceSpan::from((range.start + span.offset(), span.len()));
                    (yaml::message(error), span)
                });
                match &value {
                    Ok(value) => covered.document(value, &places),
                    Err(_) => covered.unparsed(part, range.start),
                }
                Parsed { start: range.start, places, value }
            })
            .collect();
        // The snippets of problems are taken from the text with its secrets covered.
        let source = Arc::new(SourceFile::new(file, text, &covered.ranges));
        self.manifests.secrets.append(&mut covered.secrets);
        for Parsed { start, places, value } in parsed {
            match value {
                Ok(value) => self.object(value, &source, &places, "", start),
                Err((message, span)) => {
                    let place = Place { source: source.clone(), span };
                    let problem = Diagnosis::new(&ProblemKind::Syntax(message), Some(place));
                    let help = unbuilt::help(text).map(ToOwned::to_owned);
                    self.manifests.problems.push(problem.with_help(help));
                }
            }
        }
    }

    fn object(
        &mut self,
        value: Value,
        source: &Arc<SourceFile>,
        places: &Arc<Places>,
        pointer: &str,
        start: usize,
    ) {
        let at = |inside: &str| Place {
            source: source.clone(),
            span: places.locate(&format!("{pointer}{inside}")).unwrap_or((start, 1).into()),
        };
        let Value::Object(mut fields) = value else {
            let kind = ProblemKind::NoObject(format!("it is {}", what_it_is(&value)));
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            let help = unbuilt::help_of_list(items).map(ToOwned::to_owned);
            return self.manifests.problems.push(Diagnosis::new(&kind, Some(at(""))).with_help(help));
        };
        let Some(kind) = fields.get("kind").and_then(Value::as_str).map(ToOwned::to_owned) else {
            if fields.contains_key("metadata") {
                let kind = ProblemKind::NoObject("it has no `kind`".to_owned());
                self.manifests.problems.push(Diagnosis::new(&kind, Some(at(""))));
            } else if derived::is_kustomization(&fields) {
                fields.insert("apiVersion".to_owned(), "kustomize.config.k8s.io/v1beta1".into());
                self.derive("Kustomization", &fields, source, places, pointer);
                self.pass_over("Kustomization");
            } else {
                self.pass_over("file without objects");
            }
            return;
        };
        if kind.ends_with("List")
            && let Some(Value::Array(items)) = fields.remove("items")
        {
            for (index, item) in items.into_iter().enumerate() {
                self.object(item, source, places, &format!("{pointer}/items/{index}"), start);
            }
            return;
        }
        self.hints.extend(settings::hint(&fields));
        let Some(recognised) = recognise(&kind, &fields) else {
            self.derive(&kind, &fields, source, places, pointer);
            return self.pass_over(&kind);
        };
        if recognised == Kind::Secret {
            fields = derived::without_values(fields);
        }
        let metadata = |key: &str| fields.get("metadata").and_then(|metadata| metadata.get(key)?.as_str());
        let Some(name) = metadata("name").filter(|name| !name.is_empty()) else {
            let object = format!("this {kind}");
            let problem = Diagnosis::new(
                &ProblemKind::Missing { object, field: "metadata.name" },
                Some(at("/metadata")),
            );
            return self.manifests.problems.push(problem);
        };
        let document = Document {
            kind: recognised,
            namespace: metadata("namespace").filter(|name| !name.is_empty()).unwrap_or("default").to_owned(),
            name: name.to_owned(),
            value: Value::Object(fields),
            source: source.clone(),
            places: places.clone(),
            pointer: pointer.to_owned(),
            partial: false,
        };
        self.keep(document);
    }

    /// What will be made in the cluster of an object of another kind.
    fn derive(
        &mut self,
        kind: &str,
        fields: &Map<String, Value>,
        source: &Arc<SourceFile>,
        places: &Arc<Places>,
        pointer: &str,
    ) {
        let own = fields.get("metadata").and_then(|metadata| metadata.get("namespace")?.as_str());
        for made in derived::of(kind, fields) {
            let value = made.object(own);
            let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str);
            self.derived.push(Document {
                kind: if made.kind == "Secret" { Kind::Secret } else { Kind::ConfigMap },
                namespace: namespace.filter(|name| !name.is_empty()).unwrap_or("default").to_owned(),
                name: made.name.clone(),
                source: source.clone(),
                places: places.clone(),
                pointer: pointer.to_owned(),
                partial: made.partial,
                value,
            });
        }
    }

    fn keep_derived(&mut self) {
        let of_clusters = self.manifests.of_kind(Kind::Postgresql).map(|cluster| cluster.namespace.clone());
        let namespaces: std::collections::BTreeSet<String> = of_clusters.collect();
        let derived = std::mem::take(&mut self.derived);
        let derived = derived.into_iter().flat_map(|document| match document.namespace.as_str() {
            derived::EVERYWHERE => namespaces.iter().map(|namespace| document.moved_to(namespace)).collect(),
            _ => vec![document],
        });
        for document in derived {
            let key = (document.kind.name(), document.namespace.clone(), document.name.clone());
            if let std::collections::btree_map::Entry::Vacant(free) = self.seen.entry(key) {
                free.insert(document.place_of_name());
                self.manifests.documents.push(document);
            }
        }
    }

    fn keep(&mut self, document: Document) {
        let key = (document.kind.name(), document.namespace.clone(), document.name.clone());
        let place = document.place_of_name();
        if let Some(first) = self.seen.get(&key) {
            let problem = Diagnosis::new(&ProblemKind::Duplicate { object: document.to_string() }, Some(place))
                .beside([first_here(first.clone())])
                .with_help("give what is applied, such as the output of `kustomize build`, and not its bases and patches".to_owned());
            return self.manifests.problems.push(problem);
        }
        self.seen.insert(key, place);
        self.manifests.documents.push(document);
    }

    fn pass_over(&mut self, kind: &str) {
        *self.manifests.passed_over.entry(kind.to_owned()).or_default() += 1;
    }
}

fn recognise(kind: &str, fields: &Map<String, Value>) -> Option<Kind> {
    let version = fields.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    match (version.split('/').next().unwrap_or_default(), kind) {
        ("acid.zalan.do", "OperatorConfiguration") => Some(Kind::OperatorConfiguration),
        ("acid.zalan.do", "postgresql") => Some(Kind::Postgresql),
        ("v1", "Secret") => Some(Kind::Secret),
        ("v1", "ConfigMap") if configmap::is_of_operator(fields) => Some(Kind::OperatorConfigMap),
        ("v1", "ConfigMap") => Some(Kind::ConfigMap),
        _ => None,
    }
}

fn what_it_is(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Null => "empty",
        _ => "a single value",
    }
}

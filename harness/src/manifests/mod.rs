//! People's own manifests: read from files, folders or stdin, with the place of every value.

mod configmap;
mod cover;
mod derived;
mod document;
mod files;
mod origin;
mod parts;
mod piped;
mod pods;
mod problem;
mod read;
mod refused;
mod settings;
mod sought;
mod unbuilt;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use document::{Document, Kind};
pub use pods::OfAllPods;
pub(crate) use refused::refused;
pub use sought::{InCluster, Sought};

use crate::diagnosis::Diagnosis;
use crate::render::{InputObject, RenderInput, Settings};
use crate::secret::Secret;
use crate::spilo::Objects;

/// All that was found in what a person gave.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In the order of the files, each object once.
    pub documents: Vec<Document>,
    /// What could not be used, each with its place. The documents are the rest.
    pub problems: Vec<Diagnosis>,
    /// How many objects of each other kind were passed over.
    pub passed_over: BTreeMap<String, usize>,
    /// Kustomizations that change what was read, in whole sentences: what is applied differs.
    pub not_built: Vec<String>,
    /// Values that must not be shown, whoever repeats them.
    pub secrets: Vec<Secret>,
    /// The document that configures the operator.
    settings: Option<usize>,
    /// What the cluster was asked for and has not.
    absent: BTreeSet<Sought>,
}

/// Which document an object of a [`RenderInput`] is.
#[derive(Debug, Default)]
pub struct Index {
    settings: Option<usize>,
    objects: Vec<usize>,
    clusters: Vec<usize>,
}

impl Index {
    /// The document's index in [`Manifests::documents`]; none for the release's own configuration.
    pub fn document(&self, object: InputObject) -> Option<usize> {
        match object {
            InputObject::Settings => self.settings,
            InputObject::Object(index) => self.objects.get(index).copied(),
            InputObject::Cluster(index) => self.clusters.get(index).copied(),
        }
    }
}

impl Manifests {
    /// Reads files, folders (every `*.yaml`, `*.yml` and `*.json` below them) and stdin (`-`). What is at fault becomes
    /// one problem each; the rest is read all the same.
    pub fn read(paths: &[PathBuf]) -> Manifests {
        let mut problems = Vec::new();
        let mut files = files::read(paths, &mut problems);
        let mut unbuilt = unbuilt::take_out(&mut files);
        let mut manifests = read::read(files.iter().map(|(file, text)| (file.as_path(), text.as_str())));
        unbuilt::tell(&mut manifests, &files);
        problems.append(&mut unbuilt.problems);
        problems.append(&mut manifests.problems);
        manifests.problems = problems;
        for (kind, count) in unbuilt.passed_over {
            *manifests.passed_over.entry(kind).or_default() += count;
        }
        origin::map_back(&mut manifests.documents);
        piped::map_problems_back(&mut manifests.problems);
        manifests
    }

    /// The same, with the operator's configuration from another place where there is none among them.
    pub fn read_with(paths: &[PathBuf], configuration: Option<&std::path::Path>) -> Manifests {
        let manifests = Manifests::read(paths);
        match configuration {
            Some(file) if manifests.settings().is_none() => {
                let mut paths = paths.to_vec();
                // Stdin cannot be read twice.
                if paths.iter().any(|path| path.as_os_str() == files::STDIN) {
                    let mut other = Manifests::read(&[file.to_owned()]);
                    return manifests.beside(&mut other);
                }
                paths.push(file.to_owned());
                Manifests::read(&paths)
            }
            _ => manifests,
        }
    }

    /// These, with the documents of others behind them.
    fn beside(mut self, other: &mut Manifests) -> Manifests {
        let offset = self.documents.len();
        self.settings = self.settings.or(other.settings.map(|at| at + offset));
        self.documents.append(&mut other.documents);
        self.problems.append(&mut other.problems);
        self.secrets.append(&mut other.secrets);
        self.not_built.append(&mut other.not_built);
        for (kind, count) in std::mem::take(&mut other.passed_over) {
            *self.passed_over.entry(kind).or_default() += count;
        }
        self
    }

    /// Reads one text as if it were this file's.
    pub fn of_text(file: &std::path::Path, text: &str) -> Manifests {
        read::read(std::iter::once((file, text)))
    }

    /// The document that configures the operator, where there is one.
    pub fn settings(&self) -> Option<&Document> {
        self.settings.and_then(|index| self.documents.get(index))
    }

    /// The documents of one kind, in the order in which they were read.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(move |document| document.kind == kind)
    }

    /// The Secret or ConfigMap of this name.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Document> {
        self.of_kind(kind).find(|document| document.namespace == namespace && document.name == name)
    }

    /// What is rendered, and where each of its objects came from.
    pub fn to_render_input(&self) -> (RenderInput, Index) {
        let mut index = Index { settings: self.settings, ..Index::default() };
        let mut objects: Vec<Value> = Vec::new();
        let mut clusters = Vec::new();
        for (at, document) in self.documents.iter().enumerate() {
            match document.kind {
                Kind::Postgresql => {
                    index.clusters.push(at);
                    clusters.push(document.value.clone());
                }
                Kind::Secret | Kind::ConfigMap => {
                    index.objects.push(at);
                    objects.push(document.value.clone());
                }
                Kind::OperatorConfiguration | Kind::OperatorConfigMap => {}
            }
        }
        let settings = match self.settings() {
            None => Settings::Release,
            Some(document) if document.kind == Kind::OperatorConfigMap => {
                Settings::ConfigMap(document.value.clone())
            }
            Some(document) => Settings::Object(document.value.clone()),
        };
        (RenderInput { settings, objects, clusters }, index)
    }
}

impl Objects for Manifests {
    fn text(&self, kind: &str, namespace: &str, name: &str, key: &str) -> Option<String> {
        let kind = [Kind::Secret, Kind::ConfigMap].into_iter().find(|known| known.name() == kind)?;
        let document = self.find(kind, namespace, name)?;
        let field = |field: &str| document.value.get(field)?.get(key)?.as_str();
        match kind {
            Kind::Secret => field("stringData").map(ToOwned::to_owned).or_else(|| decoded(field("data")?)),
            _ => field("data").map(ToOwned::to_owned),
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests;

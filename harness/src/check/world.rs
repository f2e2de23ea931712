//! What findings are found in: people's manifests, and what the operator made of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::missing;
use crate::diagnosis::Place;
use crate::manifests::{Document, Index, Kind, Manifests};
use crate::render::{InputObject, Origin, Refused, RenderedSet, RenderedVariable, Rendering};
use crate::spilo::Objects;
use crate::spilo::parameters::Parameters;
use crate::spilo::{Archive, Model, Pod, Release, Store, Why};
use crate::toolchain::CheckSettings;

/// All clusters of one check.
pub struct World<'w> {
    /// All that was read, clusters or not.
    pub manifests: &'w Manifests,
    index: &'w Index,
    /// The section `check` of `clonedrill.yaml`; the defaults where there is none.
    pub settings: &'w CheckSettings,
    /// The time by which tokens have expired and backups are too old.
    pub now: Timestamp,
    /// Which clusters are there already.
    pub there: &'w There,
    /// In the order of the rendering; those that were refused too.
    pub clusters: Vec<Cluster<'w>>,
}

/// What is known of clusters that run already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum There {
    /// Nothing: any of them may have been made long ago.
    #[default]
    Unknown,
    /// None is: all of them are to be made.
    None,
    /// These are, by namespace and name; the others are not.
    These(BTreeSet<(String, String)>),
}

/// One cluster: its manifest, and what came of it.
pub struct Cluster<'w> {
    /// Its `postgresql` manifest.
    pub document: &'w Document,
    /// What the operator wrote, or who refused it.
    pub rendered: Result<Rendered<'w>, &'w Refused>,
}

/// What the operator wrote for one cluster, and what Spilo makes of it.
pub struct Rendered<'w> {
    /// The StatefulSet with its env and the origin of each variable.
    pub set: &'w RenderedSet,
    /// The env as the container gets it.
    pub pod: Pod<'w>,
    /// What Spilo makes of that env.
    pub model: Model,
    /// What people say of PostgreSQL's parameters.
    pub parameters: Parameters,
    /// Objects that may bring any variable, and are not among the manifests.
    pub open: Vec<String>,
}

impl<'w> World<'w> {
    /// `now` is the time of the check; `there` tells new clusters from old ones.
    pub fn new(
        manifests: &'w Manifests,
        index: &'w Index,
        rendering: &'w Rendering,
        settings: &'w CheckSettings,
        now: Timestamp,
        there: &'w There,
    ) -> Self {
        let clusters = rendering.clusters.iter().filter_map(|cluster| {
            let at = index.document(InputObject::Cluster(cluster.cluster))?;
            let document = manifests.documents.get(at)?;
            let rendered = match &cluster.result {
                Ok(set) => Ok(Rendered::new(set, &document.namespace, manifests)),
                Err(refused) => Err(refused),
            };
            Some(Cluster { document, rendered })
        });
        World { manifests, index, settings, now, there, clusters: clusters.collect() }
    }

    /// Clusters that the operator made something of.
    pub fn rendered(&self) -> impl Iterator<Item = (&Cluster<'w>, &Rendered<'w>)> {
        self.clusters.iter().filter_map(|cluster| Some((cluster, cluster.rendered.as_ref().ok()?)))
    }

    /// Whether a cluster is known to be made only now.
    pub fn is_new(&self, cluster: &Cluster<'_>) -> bool {
        match self.there {
            There::Unknown => false,
            There::None => true,
            There::These(there) => {
                !there.contains(&(cluster.document.namespace.clone(), cluster.document.name.clone()))
            }
        }
    }

    /// The cluster that this one is cloned from, where that is among the manifests. Staging is refreshed from production: so
    /// one of the name that archives where the clone reads is it, in whatever namespace; else the one beside the clone. A cluster
    /// that is restored in place has its own name there, and is not its own source.
    pub fn source_of(&self, cluster: &Cluster<'_>) -> Option<(&Cluster<'w>, &Rendered<'w>)> {
        let name = cluster.document.text("/spec/clone/cluster")?;
        let namespace = cluster.document.namespace.as_str();
        let named: Vec<(&Cluster<'w>, &Rendered<'w>)> = self
            .rendered()
            .filter(|(other, _)| {
                let is_itself = (&other.document.namespace, &other.document.name)
                    == (&cluster.document.namespace, &cluster.document.name);
                other.document.name == name && !is_itself
            })
            .collect();
        let beside = named.iter().find(|(other, _)| other.document.namespace == namespace);
        let pod = cluster.rendered.as_ref().ok().map(|rendered| &rendered.pod);
        let is_read =
            |found: &&(&Cluster<'w>, &Rendered<'w>)| pod.is_some_and(|pod| pod.reads_from(&found.1.pod));
        beside.filter(is_read).or_else(|| named.iter().find(is_read)).or(beside).copied()
    }

    /// Whether it is restored in place: its clone section has its own name, and no cluster of that name in another namespace
    /// is meant.
    pub fn is_in_place(&self, cluster: &Cluster<'_>) -> bool {
        cluster.document.text("/spec/clone/cluster") == Some(cluster.document.name.as_str())
            && self.source_of(cluster).is_none()
    }

    /// Where a variable of a cluster was written: in one of the manifests, else the cluster's name.
    pub fn place_of(&self, cluster: &Cluster<'_>, variable: &RenderedVariable) -> Place {
        self.written(variable)
            .map(|(document, pointer)| document.place(pointer))
            .or_else(|| {
                cluster.spec_env(&variable.name).map(|at| cluster.document.place(&format!("{at}/name")))
            })
            .unwrap_or_else(|| cluster.document.place_of_name())
    }

    /// The same by name; the entry that counts.
    pub fn place_of_name(&self, cluster: &Cluster<'_>, rendered: &Rendered<'_>, name: &str) -> Place {
        match rendered.entry(name) {
            Some(variable) => self.place_of(cluster, variable),
            None => cluster.document.place_of_name(),
        }
    }

    /// The document and pointer that a variable's value came from; none where the operator made it, or the release's default.
    pub fn written<'v>(&self, variable: &'v RenderedVariable) -> Option<(&'w Document, &'v str)> {
        variable.origins.iter().find_map(|origin| Some((self.document_of(origin)?, origin.pointer.as_str())))
    }

    /// The manifest that an origin is in; none for the release's default and the definition's.
    pub fn document_of(&self, origin: &Origin) -> Option<&'w Document> {
        if origin.release_default {
            return None;
        }
        self.manifests.documents.get(self.index.document(origin.object)?)
    }
}

impl<'w> Rendered<'w> {
    fn new(set: &'w RenderedSet, namespace: &str, manifests: &Manifests) -> Self {
        let items = set.env.iter().map(|entry| (entry.name.as_str(), &entry.item));
        let (from, unknown) = env_from(set, namespace, manifests);
        let pod = Pod::over(from, items, namespace, manifests);
        let open = missing::of_pods(manifests, namespace);
        let open = open
            .iter()
            .map(|missing| &missing.named)
            .map(|named| format!("{} {}/{}", named.kind.name(), named.namespace, named.name));
        let (model, parameters) = (Model::of(&pod), Parameters::of(&pod));
        Rendered { set, pod, model, parameters, open: open.chain(unknown).collect() }
    }

    /// Its env dirs: that of its own backups, and that of those that it is cloned from.
    pub fn archives(&self) -> impl Iterator<Item = &Archive> {
        self.model.archive.iter().chain(self.model.source())
    }

    /// Whether it shall be a clone: the operator says so to Spilo where the manifest has a clone section, and people may do it
    /// by the variables alone.
    pub fn is_clone(&self) -> bool {
        self.pod.has("CLONE_METHOD")
    }

    /// The version of WAL-G in its image; none where the image is no known one.
    pub fn wal_g(&self) -> Option<&'static str> {
        let image = self.set.container()?.get("image")?.as_str()?;
        Some(Release::of_image(image)?.programs()?.wal_g)
    }

    /// Those of them that are in Azure.
    pub fn in_azure(&self) -> impl Iterator<Item = &Archive> {
        self.archives().filter(|archive| archive.store == Store::Azure)
    }

    /// A variable that nobody reads, where this one was meant: its finding says all.
    pub fn meant_by(&self, name: &str) -> Option<&str> {
        let meant =
            self.model.without_effect.iter().find(
                |dropped| matches!(&dropped.why, Why::Unread { meant: Some(meant), .. } if meant == name),
            );
        meant.map(|dropped| dropped.name.as_str())
    }

    /// Whether a part of a variable's value is a reference that stays as it stands: its finding says all.
    pub fn is_literal(&self, name: &str) -> bool {
        self.pod.literals().iter().any(|literal| literal.variable == name)
    }

    /// The pod template's env in its order, duplicates included.
    pub fn entries(&self) -> &'w [RenderedVariable] {
        &self.set.env
    }

    /// The entry that counts.
    pub fn entry(&self, name: &str) -> Option<&'w RenderedVariable> {
        self.set.env.iter().rev().find(|entry| entry.name == name)
    }
}

/// What `envFrom` of Spilo's container gives, with the objects of which that is not known in full.
fn env_from(
    set: &RenderedSet,
    namespace: &str,
    manifests: &Manifests,
) -> (Vec<(String, String)>, Vec<String>) {
    let sources = set.container().and_then(|container| container.get("envFrom")?.as_array());
    let (mut given, mut unknown) = (Vec::new(), Vec::new());
    for source in sources.into_iter().flatten() {
        let prefix = source.get("prefix").and_then(Value::as_str).unwrap_or_default();
        for (kind, at) in [(Kind::ConfigMap, "configMapRef"), (Kind::Secret, "secretRef")] {
            let Some(reference) = source.get(at) else { continue };
            let Some(name) = reference.get("name").and_then(Value::as_str) else { continue };
            let found = manifests.find(kind, namespace, name);
            if found.is_none_or(|document| document.partial)
                && reference.get("optional") != Some(&Value::Bool(true))
            {
                unknown.push(format!("{} {namespace}/{name}", kind.name()));
            }
            let fields =
                ["data", "stringData"].into_iter().filter_map(|field| found?.value.get(field)?.as_object());
            for key in fields.flat_map(|data| data.keys()) {
                let value = manifests.text(kind.name(), namespace, name, key);
                given.push((format!("{prefix}{key}"), value.unwrap_or_else(|| "\u{fffd}".to_owned())));
            }
        }
    }
    (given, unknown)
}

impl Cluster<'_> {
    /// With its namespace where that is not `default`.
    pub fn name(&self) -> String {
        self.document.full_name()
    }

    /// The pointer of the last item of `spec.env` with this name.
    pub fn spec_env(&self, name: &str) -> Option<String> {
        let env = self.document.value.pointer("/spec/env")?.as_array()?;
        let at = env.iter().rposition(|item| item.get("name").and_then(Value::as_str) == Some(name))?;
        Some(format!("/spec/env/{at}"))
    }

    /// Whether the manifest asks for a clone at all.
    pub fn is_clone(&self) -> bool {
        self.document.text("/spec/clone/cluster").is_some_and(|name| !name.is_empty())
    }
}

//! What findings are found in: people's manifests, and what the operator made of them.

use jiff::Timestamp;
use serde_json::Value;

use super::missing;
use super::pod::Pod;
use crate::manifests::{Document, Index, Manifests, Place};
use crate::render::{InputObject, Origin, Refused, RenderedSet, RenderedVariable, Rendering};
use crate::toolchain::CheckSettings;

/// All clusters of one check.
pub struct World<'w> {
    pub manifests: &'w Manifests,
    index: &'w Index,
    pub settings: &'w CheckSettings,
    pub now: Timestamp,
    pub clusters: Vec<Cluster<'w>>,
}

/// One cluster: its manifest, and what came of it.
pub struct Cluster<'w> {
    pub document: &'w Document,
    pub rendered: Result<Rendered<'w>, &'w Refused>,
}

pub struct Rendered<'w> {
    pub set: &'w RenderedSet,
    pub pod: Pod<'w>,
}

impl<'w> World<'w> {
    pub fn new(
        manifests: &'w Manifests,
        index: &'w Index,
        rendering: &'w Rendering,
        settings: &'w CheckSettings,
        now: Timestamp,
    ) -> Self {
        let clusters = rendering.clusters.iter().filter_map(|cluster| {
            let at = index.document(InputObject::Cluster(cluster.cluster))?;
            let document = manifests.documents.get(at)?;
            let rendered = match &cluster.result {
                Ok(set) => Ok(Rendered { set, pod: Pod::new(&set.env, &document.namespace, manifests) }),
                Err(refused) => Err(refused),
            };
            Some(Cluster { document, rendered })
        });
        World { manifests, index, settings, now, clusters: clusters.collect() }
    }

    /// Clusters that the operator made something of.
    pub fn rendered(&self) -> impl Iterator<Item = (&Cluster<'w>, &Rendered<'w>)> {
        self.clusters.iter().filter_map(|cluster| Some((cluster, cluster.rendered.as_ref().ok()?)))
    }

    /// Clusters of which all variables are known: nothing that is missing among the manifests could add one.
    pub fn known_in_full(&self) -> impl Iterator<Item = (&Cluster<'w>, &Rendered<'w>)> {
        self.rendered()
            .filter(|(cluster, _)| missing::of_pods(self.manifests, &cluster.document.namespace).is_empty())
    }

    /// The cluster that this one is cloned from, where that is among the manifests.
    pub fn source_of(&self, cluster: &Cluster<'_>) -> Option<(&Cluster<'w>, &Rendered<'w>)> {
        let name = cluster.document.text("/spec/clone/cluster")?;
        self.rendered().find(|(other, _)| {
            other.document.name == name && other.document.namespace == cluster.document.namespace
        })
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
        match rendered.pod.entry(name) {
            Some(variable) => self.place_of(cluster, variable),
            None => cluster.document.place_of_name(),
        }
    }

    /// The document and pointer that a variable's value came from; none where the operator made it, or the release's default.
    pub fn written<'v>(&self, variable: &'v RenderedVariable) -> Option<(&'w Document, &'v str)> {
        variable.origins.iter().find_map(|origin| Some((self.document_of(origin)?, origin.pointer.as_str())))
    }

    pub fn document_of(&self, origin: &Origin) -> Option<&'w Document> {
        if origin.release_default {
            return None;
        }
        self.manifests.documents.get(self.index.document(origin.object)?)
    }
}

impl Cluster<'_> {
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

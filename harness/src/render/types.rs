//! What is rendered, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is rendered: people's own objects, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderInput {
    /// The operator's configuration, in one of its forms.
    pub settings: Settings,
    /// Secrets and ConfigMaps that clusters or the operator refer to. One without `metadata.namespace` is in `default`.
    pub objects: Vec<Value>,
    /// `postgresql` manifests.
    pub clusters: Vec<Value>,
}

/// The operator's configuration, in the form that people have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settings {
    /// The release's own default.
    Release,
    /// An `OperatorConfiguration` object laid over the release's default, as scenarios have it.
    OverRelease(Value),
    /// An `OperatorConfiguration` object verbatim: what it leaves out, the API server completes from the definition.
    Object(Value),
    /// The `ConfigMap` form, flat keys.
    ConfigMap(Value),
}

/// One of the input's objects.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InputObject {
    /// The operator's configuration.
    Settings,
    /// Index in `RenderInput::objects`.
    Object(usize),
    /// Index in `RenderInput::clusters`.
    Cluster(usize),
}

/// A place in the input: `pointer` is a JSON pointer inside the object. A pointer into the release's default
/// configuration or the definition's defaults (where the input says nothing) has `InputObject::Settings` too and `release_default: true`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Which object it is in.
    pub object: InputObject,
    /// Empty for the whole object.
    pub pointer: String,
    /// Nobody wrote it: the release or the definition brought it.
    pub release_default: bool,
}

/// One entry of the pod template's env, in its order, duplicates included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedVariable {
    /// The variable's name; may occur in several entries.
    pub name: String,
    /// The env item verbatim (`value` or `valueFrom`).
    pub item: Value,
    /// Where its value came from, read back from markers; empty: the operator's own.
    pub origins: Vec<Origin>,
    /// Differs between the two renders, yet holds no marker (an opaque derivation).
    pub derived: bool,
    /// A later entry of the same name hides it: Kubernetes takes the last.
    pub hidden: bool,
}

/// One cluster of the input, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedCluster {
    /// Index in `RenderInput::clusters`.
    pub cluster: usize,
    /// What the operator wrote, or who refused the cluster.
    pub result: Result<RenderedSet, Refused>,
}

/// What the operator wrote for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedSet {
    /// Of the container `postgres`.
    pub env: Vec<RenderedVariable>,
    /// The StatefulSet as the API server returns it, with the input's own namespace, and `<uid>` for the uid that
    /// the cluster's object would get where its manifest has none.
    pub stateful_set: Value,
    /// The operator's log lines that concern this cluster, at level warning or above, and API warnings.
    pub log: Vec<String>,
    /// Why no origin is known: the world with markers did not give the same list of names.
    pub origins_unknown: Option<String>,
}

impl RenderedSet {
    /// The container `postgres`.
    pub fn container(&self) -> Option<&Value> {
        container_of(&self.stateful_set)
    }
}

/// The container `postgres` of a StatefulSet.
pub(super) fn container_of(stateful_set: &Value) -> Option<&Value> {
    let containers = stateful_set.pointer("/spec/template/spec/containers")?.as_array()?;
    containers.iter().find(|container| container["name"] == "postgres")
}

/// Why there is no StatefulSet: who refused it (the API server: with the field it named; the operator: its log line).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Who said no.
    pub by: RefusedBy,
    /// The API server's message, or the operator's log line.
    pub message: String,
    /// Such as `spec.clone.timestamp`.
    pub field: Option<String>,
}

/// Who refused a cluster.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedBy {
    /// By the definition, before the operator saw it.
    ApiServer,
    /// It saw the cluster and wrote no StatefulSet.
    Operator,
}

/// All that one operator version made of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendering {
    /// The operator's version.
    pub operator: String,
    /// In the input's order.
    pub clusters: Vec<RenderedCluster>,
    /// Lines of the operator that concern no cluster, at level warning or above.
    pub log: Vec<String>,
    /// Objects other than clusters that were refused, with the field.
    pub refused: Vec<(InputObject, Refused)>,
}

/// Stands for the uid that Kubernetes will give to a cluster's object.
pub const UNKNOWN_UID: &str = "<uid>";

//! One object of people's manifests, with the place of each of its values.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnosis::{Place, SourceFile};
use crate::yaml::Places;

/// The kinds of objects that say what a cluster's pods get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The operator's configuration as an object of its own kind.
    OperatorConfiguration,
    /// A ConfigMap that is the operator's configuration, in its flat form.
    OperatorConfigMap,
    /// A cluster.
    Postgresql,
    /// Its values are covered wherever they are shown.
    Secret,
    /// Any but [`Kind::OperatorConfigMap`].
    ConfigMap,
}

impl Kind {
    /// As it stands in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OperatorConfiguration => "OperatorConfiguration",
            Kind::Postgresql => "postgresql",
            Kind::Secret => "Secret",
            Kind::ConfigMap | Kind::OperatorConfigMap => "ConfigMap",
        }
    }
}

/// One object, verbatim.
#[derive(Clone)]
pub struct Document {
    /// By `kind`, and what a ConfigMap holds.
    pub kind: Kind,
    /// `default` where the manifest names none.
    pub namespace: String,
    /// Its `metadata.name`.
    pub name: String,
    /// All of it, as it was written.
    pub value: Value,
    pub(super) source: Arc<SourceFile>,
    pub(super) places: Arc<Places>,
    /// The object inside its document: empty, or such as `/items/3` of a `List`.
    pub(super) pointer: String,
    /// It will have further keys that are not known: it is made in the cluster from something else.
    pub partial: bool,
}

/// Without the object itself: it may be a Secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} of {}", self.source.file.display())
    }
}

/// `postgresql acid-orders`, with its namespace where that is not `default`.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.full_name())
    }
}

impl Document {
    /// The name, after its namespace where that is not `default`.
    pub fn full_name(&self) -> String {
        match self.namespace.as_str() {
            "default" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }

    /// The same in another namespace.
    pub(super) fn moved_to(&self, namespace: &str) -> Document {
        let mut moved = self.clone();
        namespace.clone_into(&mut moved.namespace);
        if let Some(metadata) = moved.value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        moved
    }

    /// The text at a JSON pointer inside the object.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    /// Where the value at a JSON pointer inside the object stands: a scalar itself, a map's or list's key, or those of
    /// the nearest ancestor that stands in the file.
    pub fn place(&self, pointer: &str) -> Place {
        self.at(self.places.locate(&format!("{}{pointer}", self.pointer)))
    }

    /// Where the key before that value stands.
    pub fn place_of_key(&self, pointer: &str) -> Place {
        self.at(self.places.locate_key(&format!("{}{pointer}", self.pointer)))
    }

    /// Where the object as a whole is pointed at: its name.
    pub fn place_of_name(&self) -> Place {
        self.place("/metadata/name")
    }

    /// Where a field that the API server names (`spec.env[0].name`) stands.
    pub fn place_of_field(&self, field: &str) -> Place {
        self.place(&crate::yaml::pointer_of_field(field))
    }

    /// Whether a place is inside of this object.
    pub fn holds(&self, place: &Place) -> bool {
        if !Arc::ptr_eq(&self.source, &place.source) {
            return false;
        }
        let whole = self.places.extent(&self.pointer);
        whole.is_some_and(|(start, end)| (start..=end).contains(&place.span.offset()))
    }

    fn at(&self, span: Option<miette::SourceSpan>) -> Place {
        Place { source: self.source.clone(), span: span.unwrap_or((0, 0).into()) }
    }
}

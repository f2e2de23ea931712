//! The Secrets and ConfigMaps that a pod is made from, fetched when they are needed.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    ConfigMap,
}

/// A Secret or ConfigMap of the pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectRef {
    kind: Kind,
    name: String,
}

impl ObjectRef {
    pub(super) fn new(kind: Kind, name: &str) -> Self {
        ObjectRef { kind, name: name.to_owned() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Secret => "secret",
            Kind::ConfigMap => "configmap",
        };
        write!(f, "{kind} \"{}\"", self.name)
    }
}

/// An object's keys and values.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// What was there when it was asked for. No `Debug`: it holds secrets.
#[derive(Default)]
pub(super) struct Objects {
    found: BTreeMap<ObjectRef, Fetched>,
}

/// Binary values of a ConfigMap are files only, never variables.
struct Fetched {
    variables: Data,
    binary: Data,
}

impl Objects {
    /// Asks for each object once; those that do not exist are left out.
    pub(super) async fn fetch(
        client: &Client,
        namespace: &str,
        wanted: impl IntoIterator<Item = ObjectRef>,
    ) -> Result<Self, kube::Error> {
        let mut objects = Objects::default();
        for object in wanted {
            if objects.found.contains_key(&object) {
                continue;
            }
            let found = match object.kind {
                Kind::Secret => {
                    let found =
                        Api::<Secret>::namespaced(client.clone(), namespace).get_opt(&object.name).await?;
                    found.map(of_secret)
                }
                Kind::ConfigMap => {
                    let found =
                        Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(&object.name).await?;
                    found.map(of_config_map)
                }
            };
            if let Some(found) = found {
                objects.found.insert(object, found);
            }
        }
        Ok(objects)
    }

    /// What may become variables.
    pub(super) fn variables(&self, object: &ObjectRef) -> Option<&Data> {
        self.found.get(object).map(|found| &found.variables)
    }

    /// What may become files.
    pub(super) fn files(&self, object: &ObjectRef) -> Option<Data> {
        let found = self.found.get(object)?;
        Some(
            found
                .variables
                .iter()
                .chain(&found.binary)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    #[cfg(test)]
    pub(super) fn insert(&mut self, object: ObjectRef, data: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.found.insert(object, Fetched { variables: data.into_iter().collect(), binary: Data::new() });
    }
}

fn of_secret(secret: Secret) -> Fetched {
    let data = secret.data.into_iter().flatten().map(|(key, value)| (key, value.0));
    Fetched { variables: data.collect(), binary: Data::new() }
}

fn of_config_map(map: ConfigMap) -> Fetched {
    let text = map.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
    let binary = map.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0));
    Fetched { variables: text.collect(), binary: binary.collect() }
}

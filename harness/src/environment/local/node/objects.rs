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
pub struct ObjectRef {
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
    found: BTreeMap<ObjectRef, Data>,
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
            let data = match object.kind {
                Kind::Secret => {
                    let found =
                        Api::<Secret>::namespaced(client.clone(), namespace).get_opt(&object.name).await?;
                    found.map(|secret| of_secret(secret).collect::<Data>())
                }
                Kind::ConfigMap => {
                    let found =
                        Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(&object.name).await?;
                    found.map(|map| of_config_map(map).collect::<Data>())
                }
            };
            if let Some(data) = data {
                objects.found.insert(object, data);
            }
        }
        Ok(objects)
    }

    pub(super) fn get(&self, object: &ObjectRef) -> Option<&Data> {
        self.found.get(object)
    }

    #[cfg(test)]
    pub(super) fn insert(&mut self, object: ObjectRef, data: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.found.insert(object, data.into_iter().collect());
    }
}

fn of_secret(secret: Secret) -> impl Iterator<Item = (String, Vec<u8>)> {
    secret.data.into_iter().flatten().map(|(key, value)| (key, value.0))
}

fn of_config_map(map: ConfigMap) -> impl Iterator<Item = (String, Vec<u8>)> {
    let text = map.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
    text.chain(map.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0)))
}

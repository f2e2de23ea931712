//! Objects that manifests refer to, and whose keys they do not say: a cluster may know them. Names of keys are taken from
//! there, and no value.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Manifests;
use super::derived::UNKNOWN;
use super::document::{Document, Kind};
use crate::diagnosis::SourceFile;
use crate::yaml::Places;

/// A Secret or ConfigMap whose keys are not all known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// A Secret or a ConfigMap.
    pub kind: Kind,
    /// Where it is looked for.
    pub namespace: String,
    /// Without its namespace.
    pub name: String,
}

/// What a cluster says of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InCluster {
    /// These are the names of all its keys.
    Keys(BTreeSet<String>),
    /// There is no such object.
    Absent,
}

impl Manifests {
    /// What pods take variables from, and is not among the manifests with all its keys.
    pub fn sought(&self) -> BTreeSet<Sought> {
        let mut sought = BTreeSet::new();
        for cluster in self.of_kind(Kind::Postgresql) {
            let namespace = cluster.namespace.as_str();
            for named in self.of_all_pods(namespace) {
                sought.insert(Sought { kind: named.kind, namespace: named.namespace, name: named.name });
            }
            for (field, secret, config_map) in
                [("env", "secretKeyRef", "configMapKeyRef"), ("envFrom", "secretRef", "configMapRef")]
            {
                let items = cluster.value.pointer(&format!("/spec/{field}")).and_then(Value::as_array);
                for item in items.into_iter().flatten() {
                    let from = if field == "env" { &item["valueFrom"] } else { item };
                    for (kind, at) in [(Kind::Secret, secret), (Kind::ConfigMap, config_map)] {
                        if let Some(name) = from[at]["name"].as_str().filter(|name| !name.is_empty()) {
                            let namespace = namespace.to_owned();
                            sought.insert(Sought { kind, namespace, name: name.to_owned() });
                        }
                    }
                }
            }
        }
        sought.retain(|one| {
            self.find(one.kind, &one.namespace, &one.name).is_none_or(|document| document.partial)
        });
        sought
    }

    /// Takes over what a cluster says of such an object: its keys have values that stay unknown.
    pub fn learn(&mut self, object: &Sought, said: &InCluster) {
        let keys = match said {
            InCluster::Keys(keys) => keys,
            InCluster::Absent => {
                self.absent.insert(object.clone());
                return;
            }
        };
        let is_it = |document: &Document| {
            (document.kind, document.namespace.as_str(), document.name.as_str())
                == (object.kind, object.namespace.as_str(), object.name.as_str())
        };
        let made = of_cluster(object, keys);
        match self.documents.iter_mut().find(|document| is_it(document)) {
            // What is made from something among the manifests stays where that stands.
            Some(known) => {
                known.partial = false;
                known.value = made.value;
            }
            None => self.documents.push(made),
        }
    }

    /// Whether the cluster was asked for this object, and has none.
    pub fn is_absent(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.absent.contains(&Sought { kind, namespace, name })
    }
}

/// As a document that has a line for each key.
fn of_cluster(object: &Sought, keys: &BTreeSet<String>) -> Document {
    let Sought { kind, namespace, name } = object;
    let field = if *kind == Kind::Secret { "stringData" } else { "data" };
    let metadata = json!({ "name": name, "namespace": namespace });
    let data: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!(UNKNOWN))).collect();
    let mut text = format!("kind: {}\nmetadata: {metadata}\n{field}:\n", kind.name());
    for key in keys {
        text.push_str(&format!("  {}: in the cluster\n", json!(key)));
    }
    let file = format!("{}/{namespace}/{name}", kind.name());
    Document {
        kind: *kind,
        namespace: namespace.clone(),
        name: name.clone(),
        value: json!({ "apiVersion": "v1", "kind": kind.name(), "metadata": metadata, field: data }),
        places: Arc::new(Places::of_part(&text, 0)),
        source: Arc::new(SourceFile::of_cluster(file.as_ref(), &text)),
        pointer: String::new(),
        partial: false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn manifests(spec: &str, more: &str) -> Manifests {
        let text = format!(
            "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: {{ name: o, namespace: infra }}\nconfiguration:\n  \
             kubernetes: {{ pod_environment_secret: pod-keys, pod_environment_configmap: pod-env }}\n---\n\
             apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: {{ name: acid-a, namespace: shop }}\nspec:\n{spec}\n---\n{more}"
        );
        let manifests = Manifests::of_text(Path::new("all.yaml"), &text);
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        manifests
    }

    fn shown(sought: &BTreeSet<Sought>) -> Vec<String> {
        sought.iter().map(|one| format!("{} {}/{}", one.kind.name(), one.namespace, one.name)).collect()
    }

    #[test]
    fn what_pods_take_variables_from_is_sought_once_and_only_where_its_keys_are_not_known() {
        let spec = "  env:\n  - { name: A, valueFrom: { secretKeyRef: { name: keys, key: a } } }\n  - { name: B, valueFrom: { secretKeyRef: { \
                    name: keys, key: b } } }\n  - { name: C, valueFrom: { configMapKeyRef: { name: more, key: c } } }\n  envFrom: [{ secretRef: { name: all } }]";
        let nothing = manifests(spec, "");
        assert_eq!(
            shown(&nothing.sought()),
            [
                "Secret shop/all",
                "Secret shop/keys",
                "Secret shop/pod-keys",
                "ConfigMap infra/pod-env",
                "ConfigMap shop/more"
            ]
        );
        let more = "apiVersion: v1\nkind: Secret\nmetadata: { name: keys, namespace: shop }\nstringData: { a: x, b: y }\n---\n\
                    apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: all, namespace: shop }\nspec: { dataFrom: \
                    [{ extract: { key: x } }] }\n";
        let some = manifests(spec, more);
        assert_eq!(
            shown(&some.sought()),
            ["Secret shop/all", "Secret shop/pod-keys", "ConfigMap infra/pod-env", "ConfigMap shop/more"]
        );
    }

    #[test]
    fn what_the_cluster_says_has_keys_and_no_values_and_is_sought_no_more() {
        let mut manifests = manifests("  teamId: acid", "");
        let [secret, map] = &manifests.sought().into_iter().collect::<Vec<_>>()[..] else { panic!() };
        manifests.learn(secret, &InCluster::Keys(["WALG_AZ_PREFIX".to_owned()].into()));
        manifests.learn(map, &InCluster::Absent);
        assert_eq!(shown(&manifests.sought()), ["ConfigMap infra/pod-env"]);
        assert!(manifests.is_absent(Kind::ConfigMap, "infra", "pod-env"));
        let learnt = manifests.find(Kind::Secret, "shop", "pod-keys").unwrap();
        assert_eq!(learnt.value["stringData"], json!({ "WALG_AZ_PREFIX": UNKNOWN }));
        let place = learnt.place("/stringData/WALG_AZ_PREFIX");
        assert_eq!(place.file(), Path::new("Secret/shop/pod-keys"));
    }
}

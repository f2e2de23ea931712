//! Secrets that are made in the cluster from something else: what they will be called, and which keys they will have.
//! Their values are unknown, and stay so.

use serde_json::{Map, Value, json};

/// Stands for a value that only the cluster knows.
pub(super) const UNKNOWN: &str = "\u{fffd}";

/// In the place of a namespace: any that has clusters.
pub(super) const EVERYWHERE: &str = "*";

/// An object that will be there, with the keys that it will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derived {
    pub kind: &'static str,
    /// None where it is that of the object that it is made from.
    pub namespace: Option<String>,
    pub name: String,
    /// Key and value, U+FFFD where that is not known.
    pub keys: Vec<(String, String)>,
    /// There may be more keys than these.
    pub partial: bool,
}

impl Derived {
    fn secret(name: impl Into<String>, keys: impl IntoIterator<Item = String>, partial: bool) -> Derived {
        let keys = keys.into_iter().map(|key| (key, UNKNOWN.to_owned())).collect();
        Derived { kind: "Secret", namespace: None, name: name.into(), keys, partial }
    }

    /// As an object of Kubernetes, in the namespace of what it is made from.
    pub(super) fn object(&self, namespace: Option<&str>) -> Value {
        let field = if self.kind == "Secret" { "stringData" } else { "data" };
        let data: Map<String, Value> =
            self.keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let mut object =
            json!({ "apiVersion": "v1", "kind": self.kind, "metadata": { "name": self.name }, field: data });
        if let Some(namespace) = self.namespace.as_deref().or(namespace) {
            object["metadata"]["namespace"] = json!(namespace);
        }
        object
    }
}

/// What will be made of an object of another kind; nothing for most.
pub(super) fn of(kind: &str, fields: &Map<String, Value>) -> Vec<Derived> {
    let version = fields.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let group = version.split('/').next().unwrap_or_default();
    let whole = Value::Object(fields.clone());
    let name = whole.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    match (group, kind) {
        ("external-secrets.io", "ExternalSecret") => vec![external(&whole["spec"], name)],
        ("external-secrets.io", "ClusterExternalSecret") => cluster_external(&whole["spec"], name),
        ("spv.no", "AzureKeyVaultSecret") => key_vault(&whole["spec"]),
        ("secrets.hashicorp.com", "VaultStaticSecret" | "VaultDynamicSecret") => {
            let made = text(&whole, "/spec/destination/name");
            made.map(|name| Derived::secret(name, [], true)).into_iter().collect()
        }
        ("onepassword.com", "OnePasswordItem") => vec![Derived::secret(name, [], true)],
        ("bitnami.com", "SealedSecret") => vec![sealed(&whole["spec"], name)],
        ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => provided(&whole["spec"]),
        ("kustomize.config.k8s.io", "Kustomization" | "Component") => generated(&whole),
        _ => Vec::new(),
    }
}

/// A `kustomization.yaml` may have no kind.
pub(super) fn is_kustomization(fields: &Map<String, Value>) -> bool {
    ["resources", "secretGenerator", "configMapGenerator", "bases", "components"]
        .iter()
        .any(|field| fields.get(*field).is_some_and(Value::is_array))
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn keys_of(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn external(spec: &Value, own: &str) -> Derived {
    let name = text(spec, "/target/name").unwrap_or(own);
    let fetched = list(spec, "/data").filter_map(|item| text(item, "/secretKey")).map(ToOwned::to_owned);
    let template = keys_of(spec.pointer("/target/template/data"));
    // A template replaces what was fetched, unless it says that it is merged.
    let merged = text(spec, "/target/template/mergePolicy") == Some("Merge");
    let from_elsewhere = list(spec, "/target/template/templateFrom").next().is_some();
    let all = list(spec, "/dataFrom").next().is_some();
    if !template.is_empty() && !merged {
        return Derived::secret(name, template, from_elsewhere);
    }
    Derived::secret(name, fetched.chain(template), all || from_elsewhere)
}

fn cluster_external(spec: &Value, own: &str) -> Vec<Derived> {
    let name = text(spec, "/externalSecretName").unwrap_or(own);
    let made = external(&spec["externalSecretSpec"], name);
    let namespaces: Vec<&str> = list(spec, "/namespaces").filter_map(Value::as_str).collect();
    // Which namespaces have the labels only the cluster knows.
    let selected = spec.get("namespaceSelector").or_else(|| spec.get("namespaceSelectors")).is_some();
    let namespaces = if namespaces.is_empty() && selected { vec![EVERYWHERE] } else { namespaces };
    namespaces
        .into_iter()
        .map(|namespace| Derived { namespace: Some(namespace.to_owned()), ..made.clone() })
        .collect()
}

/// As akv2k8s makes it: one key, or as many as the vault's object has.
fn key_vault(spec: &Value) -> Vec<Derived> {
    let Some(name) = text(spec, "/output/secret/name") else { return Vec::new() };
    let key = text(spec, "/output/secret/dataKey").map(ToOwned::to_owned);
    let many = key.is_none();
    vec![Derived::secret(name, key, many)]
}

fn sealed(spec: &Value, own: &str) -> Derived {
    let name = text(spec, "/template/metadata/name").unwrap_or(own);
    let keys = keys_of(spec.get("encryptedData")).into_iter().chain(keys_of(spec.pointer("/template/data")));
    Derived::secret(name, keys, false)
}

fn provided(spec: &Value) -> Vec<Derived> {
    let objects = list(spec, "/secretObjects").filter_map(|object| {
        let keys = list(object, "/data").filter_map(|item| text(item, "/key")).map(ToOwned::to_owned);
        Some(Derived::secret(text(object, "/secretName")?, keys, false))
    });
    objects.collect()
}

/// Generators of a `kustomization.yaml` that was not built. The hash behind each name is not known here, and references have
/// none before it is built either.
fn generated(whole: &Value) -> Vec<Derived> {
    let namespace = text(whole, "/namespace").map(ToOwned::to_owned);
    let of = |kind: &'static str, pointer: &str| {
        list(whole, pointer)
            .filter_map(|generator| {
                let name = text(generator, "/name")?.to_owned();
                let known = kind == "ConfigMap";
                let literals = list(generator, "/literals").filter_map(Value::as_str).filter_map(|literal| {
                    let (key, value) = literal.split_once('=')?;
                    let value = if known { value.trim_matches(['"', '\'']) } else { UNKNOWN };
                    Some((key.to_owned(), value.to_owned()))
                });
                let files = list(generator, "/files").filter_map(Value::as_str).map(|file| {
                    let key = file
                        .split_once('=')
                        .map_or_else(|| file.rsplit('/').next().unwrap_or_default(), |(key, _)| key);
                    (key.to_owned(), UNKNOWN.to_owned())
                });
                let env = list(generator, "/envs").next().is_some() || text(generator, "/env").is_some();
                let namespace = text(generator, "/namespace").map(ToOwned::to_owned).or(namespace.clone());
                Some(Derived { kind, namespace, name, keys: literals.chain(files).collect(), partial: env })
            })
            .collect::<Vec<_>>()
    };
    let mut all = of("Secret", "/secretGenerator");
    all.extend(of("ConfigMap", "/configMapGenerator"));
    all
}

/// A Secret whose values are encrypted in the file, or filled in on the way to the cluster: its keys are there, its values
/// are not.
pub(super) fn without_values(mut fields: Map<String, Value>) -> Map<String, Value> {
    let is_sops = fields.shift_remove("sops").is_some();
    let mut moved = Map::new();
    for field in ["data", "stringData"] {
        let Some(Value::Object(data)) = fields.get_mut(field) else { continue };
        let hidden = |value: &Value| value.as_str().is_some_and(|value| is_sops || is_filled_in(value));
        let keys: Vec<String> =
            data.iter().filter(|(_, value)| hidden(value)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            data.shift_remove(&key);
            moved.insert(key, json!(UNKNOWN));
        }
    }
    if !moved.is_empty() {
        let data = fields.entry("stringData").or_insert_with(|| json!({}));
        if let Value::Object(data) = data {
            data.extend(moved);
        }
    }
    fields
}

/// What SOPS, Argo CD's Vault plugin, helmfile's vals and Bank-Vaults have in place of a value.
fn is_filled_in(value: &str) -> bool {
    ["ENC[", "<path:", "ref+", "vault:"].iter().any(|start| value.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(yaml: &str) -> Vec<(String, Vec<String>, bool)> {
        let value: Value = serde_saphyr::from_str(yaml).unwrap();
        let fields = value.as_object().unwrap().clone();
        let made = of(fields["kind"].as_str().unwrap(), &fields);
        made.into_iter()
            .map(|made| (made.name, made.keys.into_iter().map(|(key, _)| key).collect(), made.partial))
            .collect()
    }

    fn one(name: &str, keys: &[&str], partial: bool) -> Vec<(String, Vec<String>, bool)> {
        vec![(name.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect(), partial)]
    }

    #[test]
    fn external_secrets_say_which_keys_they_will_have() {
        let plain = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: a }\nspec:\n  target: { name: keys }\n  \
                     data: [{ secretKey: ONE }, { secretKey: TWO }]\n";
        assert_eq!(derived(plain), one("keys", &["ONE", "TWO"], false));
        let all = "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nmetadata: { name: a }\nspec: { dataFrom: [{ extract: { key: x } }] }\n";
        assert_eq!(derived(all), one("a", &[], true));
        let template = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: a }\nspec:\n  dataFrom: [{ extract: { key: x } }]\n  \
                        target: { template: { data: { THREE: \"{{ .x }}\" } } }\n";
        assert_eq!(derived(template), one("a", &["THREE"], false));
    }

    #[test]
    fn sealed_secrets_key_vaults_and_generators_say_them_too() {
        let sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: { name: s }\nspec: { encryptedData: { K: Ag } }\n";
        assert_eq!(derived(sealed), one("s", &["K"], false));
        let vault = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: { name: p }\nspec:\n  provider: azure\n  \
                     secretObjects: [{ secretName: keys, type: Opaque, data: [{ objectName: o, key: K }] }]\n";
        assert_eq!(derived(vault), one("keys", &["K"], false));
        let kustomize = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nsecretGenerator: [{ name: g, literals: [K=v], files: [a/F, G=b/c] }]\n";
        assert_eq!(derived(kustomize), one("g", &["K", "F", "G"], false));
        let akv = "apiVersion: spv.no/v2beta1\nkind: AzureKeyVaultSecret\nmetadata: { name: a }\nspec:\n  output: { secret: { name: keys, dataKey: K } }\n";
        assert_eq!(derived(akv), one("keys", &["K"], false));
        let vault = "apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: { name: a }\nspec: { destination: { name: keys, create: true } }\n";
        assert_eq!(derived(vault), one("keys", &[], true));
    }

    #[test]
    fn encrypted_values_are_unknown_and_their_keys_known() {
        let secret = json!({
            "kind": "Secret",
            "data": { "K": "ENC[AES256_GCM,data:x,type:str]" },
            "stringData": { "V": "<path:kv/data/x#key>", "PLAIN": "x" },
        });
        let fields = without_values(secret.as_object().unwrap().clone());
        assert_eq!(fields["data"], json!({}));
        assert_eq!(fields["stringData"], json!({ "PLAIN": "x", "K": UNKNOWN, "V": UNKNOWN }));
    }
}

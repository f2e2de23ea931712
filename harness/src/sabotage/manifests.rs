//! A scenario made of people's manifests: one cluster with what decides about its backups, some rows, a mistake, and a clone of the
//! moment before it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::manifests::{Document, Kind, Manifests};
use crate::scenario::Scenario;
use crate::spilo::Objects;

use super::base::GROUP;

/// The file of what is made, and so the second part of its name.
pub const MADE: &str = "restore";
const ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT";
const KEY: &str = "AZURE_STORAGE_ACCESS_KEY";
const TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";
const PREFIX: &str = "WALG_AZ_PREFIX";
const SCHEME: &str = "azure://";
/// A Secret that no manifest has.
const SECRET: &str = "clonedrill-sabotage";
const SETTINGS: &str = "pod_environment_configmap";
const SECRETS: &str = "pod_environment_secret";
/// What the environment can hold of a cluster. The rest (replicas, sidecars, resources, load balancers) decides nothing about backups.
const KEPT: [&str; 4] = ["teamId", "postgresql", "users", "databases"];

/// Why nothing can be made of manifests.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoScenario {
    /// None of the clusters has backups that are known.
    #[error("find a cluster with backups in Azure: {0}")]
    None(String),
    /// More than one has, and none was named.
    #[error("know which cluster: {} have backups", .0.join(", "))]
    Several(Vec<String>),
    /// The cluster that was named is not there.
    #[error("find the cluster {0}")]
    Unknown(String),
}

/// Where a cluster's variables come from, as far as it is known.
struct Found<'a> {
    manifests: &'a Manifests,
    cluster: &'a Document,
    /// Of the operator, with no namespace before the name.
    configuration: Option<String>,
    secret: Option<String>,
    account: String,
    prefix: String,
}

/// The scenario of one cluster, which is named where several have backups.
///
/// # Errors
/// When there is none, or it cannot be told where its backups are.
pub fn scenario(manifests: &Manifests, named: Option<&str>, operator: &str) -> Result<Scenario, NoScenario> {
    let clusters = manifests.of_kind(Kind::Postgresql);
    let wanted: Vec<&Document> = clusters.filter(|one| named.is_none_or(|name| name == one.name)).collect();
    if let (Some(name), true) = (named, wanted.is_empty()) {
        return Err(NoScenario::Unknown(name.to_owned()));
    }
    let looked: Vec<Result<Found<'_>, String>> =
        wanted.iter().map(|cluster| Found::of(manifests, cluster)).collect();
    let (found, not): (Vec<_>, Vec<_>) = looked.into_iter().partition(Result::is_ok);
    let mut found: Vec<Found<'_>> = found.into_iter().filter_map(Result::ok).collect();
    match found.len() {
        0 => {
            let why: Vec<String> = not.into_iter().filter_map(Result::err).collect();
            Err(NoScenario::None(if why.is_empty() { "there is none".to_owned() } else { why.join("; ") }))
        }
        1 => Ok(found.remove(0).scenario(operator)),
        _ => Err(NoScenario::Several(found.iter().map(|one| one.cluster.name.clone()).collect())),
    }
}

impl<'a> Found<'a> {
    fn of(manifests: &'a Manifests, cluster: &'a Document) -> Result<Self, String> {
        let setting = |key: &str| {
            let settings = manifests.settings()?;
            let text = settings
                .text(&format!("/configuration/kubernetes/{key}"))
                .or_else(|| settings.text(&format!("/data/{key}")))?;
            Some(text.rsplit('/').next().unwrap_or(text).to_owned()).filter(|name| !name.is_empty())
        };
        let (configuration, secret) = (setting(SETTINGS), setting(SECRETS));
        let mut found = Found {
            manifests,
            cluster,
            configuration,
            secret,
            account: String::new(),
            prefix: String::new(),
        };
        let name = &cluster.name;
        if found.names(TOKEN) {
            return Err(format!("{name} has a SAS token, which no storage here can have made"));
        }
        let value = |what: &str| found.value(what).ok_or_else(|| format!("{what} of {name} is not known"));
        let (account, prefix) = (value(ACCOUNT)?, value(PREFIX)?);
        if !prefix.starts_with(SCHEME) {
            return Err(format!("{PREFIX} of {name} does not begin with {SCHEME}"));
        }
        (found.account, found.prefix) = (account, prefix);
        Ok(found)
    }

    fn env(&self) -> Vec<Value> {
        self.cluster.value.pointer("/spec/env").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Whether anybody sets this variable.
    fn names(&self, variable: &str) -> bool {
        let in_env = self.env().iter().any(|entry| entry["name"] == variable);
        in_env || self.of_all_pods(variable).is_some()
    }

    /// What all pods of the operator get.
    fn of_all_pods(&self, variable: &str) -> Option<String> {
        let places = [("Secret", &self.secret), ("ConfigMap", &self.configuration)];
        places.into_iter().find_map(|(kind, name)| self.text(kind, name.as_deref()?, variable))
    }

    /// A key of an object, in the cluster's namespace or wherever there is one of the name.
    fn text(&self, kind: &str, name: &str, key: &str) -> Option<String> {
        let here = self.manifests.text(kind, &self.cluster.namespace, name, key);
        here.or_else(|| {
            let mut others = self.manifests.documents.iter().filter(|other| other.name == name);
            others.find_map(|other| self.manifests.text(kind, &other.namespace, name, key))
        })
    }

    /// The variable's value as it is written, where that is known.
    fn value(&self, variable: &str) -> Option<String> {
        let entry = self.env().into_iter().rfind(|entry| entry["name"] == variable);
        let Some(entry) = entry else { return self.of_all_pods(variable) };
        let reference = |kind: &str, field: &str| {
            let from = entry.pointer(&format!("/valueFrom/{field}"))?;
            self.text(kind, from["name"].as_str()?, from["key"].as_str()?)
        };
        entry["value"]
            .as_str()
            .map(ToOwned::to_owned)
            .or_else(|| reference("Secret", "secretKeyRef"))
            .or_else(|| reference("ConfigMap", "configMapKeyRef"))
    }

    fn key(&self) -> String {
        format!("${{storage.{}.key}}", self.account)
    }

    /// What stands in a Secret of the drill for a variable: nobody's key leaves the manifests.
    fn secret_value(&self, variable: &str) -> String {
        match variable.strip_prefix("CLONE_").unwrap_or(variable) {
            KEY => self.key(),
            ACCOUNT => self.account.clone(),
            _ => "not-taken-over".to_owned(),
        }
    }

    /// Without what a clone would be made of, and with the drill's own key where one stands in plain text.
    fn own_env(&self) -> Vec<Value> {
        let mut env = self.env();
        env.retain(|entry| !entry["name"].as_str().unwrap_or_default().starts_with("CLONE_"));
        for entry in env.iter_mut().filter(|entry| entry["name"] == KEY && entry["value"].is_string()) {
            entry["value"] = json!(self.key());
        }
        env
    }

    fn objects(&self) -> Vec<Value> {
        let mut secrets: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        secrets.entry(SECRET.to_owned()).or_default().insert("key".to_owned(), self.key());
        for entry in self.own_env() {
            let reference = entry.pointer("/valueFrom/secretKeyRef");
            let named = reference.and_then(|from| Some((from["name"].as_str()?, from["key"].as_str()?)));
            if let Some((name, key)) = named {
                let value = self.secret_value(entry["name"].as_str().unwrap_or_default());
                secrets.entry(name.to_owned()).or_default().insert(key.to_owned(), value);
            }
        }
        if let Some(name) = &self.secret {
            let known = self.manifests.of_kind(Kind::Secret).find(|secret| secret.name == *name);
            let mut keys: BTreeSet<String> = ["data", "stringData"]
                .iter()
                .filter_map(|field| known?.value.get(*field)?.as_object())
                .flat_map(|data| data.keys().cloned())
                .collect();
            // One that a vault fills has the key at least, or nobody could back up.
            if keys.is_empty() {
                keys.insert(KEY.to_owned());
            }
            let data = secrets.entry(name.clone()).or_default();
            data.extend(keys.into_iter().map(|key| (key.clone(), self.secret_value(&key))));
        }
        let metadata = |name: &str| json!({ "name": name });
        let secret = |(name, data): (&String, &BTreeMap<String, String>)| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata(name), "stringData": data });
        let mut objects: Vec<Value> = secrets.iter().map(secret).collect();
        let name = self.configuration.as_deref();
        let map = self.manifests.of_kind(Kind::ConfigMap).find(|map| Some(map.name.as_str()) == name);
        objects.extend(map.map(|map| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&map.name), "data": map.value["data"],
            })
        }));
        objects
    }

    fn spec(&self) -> Map<String, Value> {
        let spec = self.cluster.value["spec"].as_object().cloned().unwrap_or_default();
        let mut kept: Map<String, Value> =
            spec.into_iter().filter(|(field, _)| KEPT.contains(&field.as_str())).collect();
        // Memory and the like are sized for production.
        if let Some(postgresql) = kept.get_mut("postgresql").and_then(Value::as_object_mut) {
            postgresql.remove("parameters");
        }
        kept.insert("numberOfInstances".to_owned(), json!(1));
        kept.insert("volume".to_owned(), json!({ "size": "1Gi" }));
        kept
    }

    fn clone_spec(&self) -> Map<String, Value> {
        let mut spec = self.spec();
        let name = &self.cluster.name;
        let version = self.cluster.text("/spec/postgresql/version").unwrap_or_default();
        let prefix = self
            .prefix
            .replace("$(SCOPE)", name)
            .replace("$(PGVERSION)", version)
            .replace("$(POD_NAMESPACE)", "${drill.namespace}");
        spec.insert(
            "clone".to_owned(),
            json!({ "cluster": name, "uid": "${clusters.source.uid}", "timestamp": "${marks.before-mistake.time}" }),
        );
        let mut env = self.own_env();
        if !self.prefix.contains("$(SCOPE)") {
            // It would write into its source's archive.
            env.retain(|entry| entry["name"] != PREFIX);
            env.push(
                json!({ "name": PREFIX, "value": format!("{}-clone", self.prefix.trim_end_matches('/')) }),
            );
        }
        let key = json!({ "secretKeyRef": { "name": SECRET, "key": "key" } });
        env.extend([
            json!({ "name": "CLONE_USE_WALG_RESTORE", "value": "true" }),
            json!({ "name": format!("CLONE_{ACCOUNT}"), "value": self.account }),
            json!({ "name": format!("CLONE_{KEY}"), "valueFrom": key }),
            json!({ "name": format!("CLONE_{PREFIX}"), "value": prefix }),
        ]);
        spec.insert("env".to_owned(), Value::Array(env));
        spec
    }

    fn scenario(&self, operator: &str) -> Scenario {
        let name = &self.cluster.name;
        let container = self.prefix.trim_start_matches(SCHEME).split('/').next().unwrap_or_default();
        let cluster = |name: &str, spec: Map<String, Value>| {
            json!({
                "apiVersion": "acid.zalan.do/v1", "kind": "postgresql", "metadata": { "name": name }, "spec": spec,
            })
        };
        let mut source = self.spec();
        source.insert("env".to_owned(), Value::Array(self.own_env()));
        let mut kubernetes = Map::new();
        let settings = [(SETTINGS, &self.configuration), (SECRETS, &self.secret)];
        kubernetes.extend(
            settings.into_iter().filter_map(|(key, name)| Some((key.to_owned(), json!(name.as_ref()?)))),
        );
        let sql = |text: &str| json!({ "sql": { "on": "source", "run": text } });
        let written = json!({
            "name": format!("{GROUP}-{MADE}"),
            "about": format!("{name} as its manifests have it: its backups, a mistake, and a clone of the moment before it."),
            "operator": {
                "versions": [operator],
                "configuration": { "kubernetes": kubernetes, "aws_or_gcp": { "wal_az_storage_account": self.setting() } },
            },
            "storage": { "accounts": [self.account], "containers": [container] },
            "objects": self.objects(),
            "clusters": { "source": cluster(name, source), "clone": cluster(&format!("{name}-sabotage"), self.clone_spec()) },
            "steps": [
                { "create": "source" },
                sql("CREATE TABLE clonedrill_sabotage AS SELECT n, md5(n::text) AS text FROM generate_series(1, 2000) AS n"),
                { "backup": "source" },
                sql("INSERT INTO clonedrill_sabotage SELECT n, md5(n::text) FROM generate_series(2001, 3000) AS n"),
                { "mark": { "on": "source", "as": "before-mistake" } },
                sql("DELETE FROM clonedrill_sabotage WHERE n % 3 = 0"),
                { "mark": { "on": "source", "as": "after-mistake" } },
                { "create": "clone" },
            ],
            "expect": {
                "clone": { "outcome": "running", "data": { "equals": "before-mistake" } },
                "operator": { "logs": { "may": ["no-global-storage-account"] } },
            },
        });
        serde_json::from_value(written)
            .unwrap_or_else(|error| unreachable!("it has a scenario's form: {error}"))
    }

    /// The account that the operator gives every cluster.
    fn setting(&self) -> String {
        let settings = self.manifests.settings();
        let account = settings.and_then(|settings| {
            let object = settings.text("/configuration/aws_or_gcp/wal_az_storage_account");
            object.or_else(|| settings.text("/data/wal_az_storage_account"))
        });
        account.unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::observe::catalogue;
    use crate::sabotage::Base;
    use crate::scenario::{Checks, load};

    const KEY_IN_PLAIN_TEXT: &str = "c2VjcmV0c2VjcmV0c2VjcmV0";

    fn cluster(name: &str, env: &str) -> String {
        format!(
            "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: {{ name: {name}, namespace: orders }}\nspec:\n  \
             teamId: acid\n  numberOfInstances: 3\n  volume: {{ size: 1Ti }}\n  postgresql: {{ version: \"17\", parameters: {{ shared_buffers: 64GB }} }}\n{env}"
        )
    }

    fn of(texts: &[String], named: Option<&str>) -> Result<Scenario, NoScenario> {
        let manifests = Manifests::of_text(Path::new("all.yaml"), &texts.join("\n---\n"));
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        scenario(&manifests, named, "v1.15.1")
    }

    fn with_env() -> String {
        cluster(
            "acid-orders",
            &format!(
                "  env:\n    - {{ name: AZURE_STORAGE_ACCOUNT, value: prod }}\n    - {{ name: AZURE_STORAGE_ACCESS_KEY, value: {KEY_IN_PLAIN_TEXT} }}\n    \
                 - {{ name: WALG_AZ_PREFIX, value: \"azure://backups/$(SCOPE)/$(PGVERSION)\" }}\n"
            ),
        )
    }

    fn is_sound(scenario: &Scenario) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join(GROUP);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{MADE}.yaml"));
        std::fs::write(&path, crate::yaml::text(&serde_json::to_value(scenario).unwrap())).unwrap();
        let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
        let loaded = load(&path, &checks).unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)));
        assert_eq!(Base::of(&loaded, "v1.15.1").unwrap().mark, "before-mistake");
    }

    #[test]
    fn nobodys_key_is_taken_over() {
        let made = of(&[with_env()], None).unwrap();
        let text = serde_json::to_string(&made).unwrap();
        assert!(!text.contains(KEY_IN_PLAIN_TEXT) && text.contains("${storage.prod.key}"), "{text}");
        assert!(text.contains("azure://backups/acid-orders/17") && !text.contains("64GB"), "{text}");
        is_sound(&made);
    }

    #[test]
    fn what_all_pods_get_counts_and_the_drills_namespace_is_its_own() {
        let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: operator, namespace: operators }\n\
                        configuration:\n  kubernetes: { pod_environment_configmap: operators/pods, pod_environment_secret: keys }\n";
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: pods, namespace: operators }\ndata:\n  AZURE_STORAGE_ACCOUNT: shared\n  \
                   WALG_AZ_PREFIX: azure://backups/$(POD_NAMESPACE)/$(SCOPE)/$(PGVERSION)\n";
        let made = of(&[cluster("acid-orders", ""), settings.to_owned(), map.to_owned()], None).unwrap();
        let text = serde_json::to_string(&made).unwrap();
        assert!(text.contains("azure://backups/${drill.namespace}/acid-orders/17"), "{text}");
        is_sound(&made);
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let other = cluster("acid-other", "");
        assert_eq!(of(&[with_env(), other.clone()], None).unwrap().storage.accounts, ["prod"]);
        let both = [with_env(), with_env().replace("acid-orders", "acid-more")];
        assert!(matches!(of(&both, None), Err(NoScenario::Several(names)) if names.len() == 2));
        assert!(of(&both, Some("acid-more")).is_ok());
        assert_eq!(of(&both, Some("acid-none")).unwrap_err(), NoScenario::Unknown("acid-none".to_owned()));
        let why = of(&[other], None).unwrap_err().to_string();
        assert!(why.contains("AZURE_STORAGE_ACCOUNT of acid-other is not known"), "{why}");
        let token = with_env().replace(KEY, TOKEN);
        assert!(of(&[token], None).unwrap_err().to_string().contains("SAS token"));
    }
}

//! Random input. Each free text is a word of its own, so that whoever finds it knows where it came from.

use clonedrill::render::{InputObject, RenderInput, Settings};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

/// What is generated, before its texts are words.
#[derive(Debug, Clone)]
struct Shape {
    flat: bool,
    settings: Vec<&'static str>,
    configmap_has_namespace: bool,
    secret_keys: Vec<Vec<&'static str>>,
    configmap_keys: Vec<&'static str>,
    configmap_at_home: bool,
    clusters: Vec<ClusterShape>,
}

#[derive(Debug, Clone)]
struct ClusterShape {
    namespace: usize,
    env: Vec<(&'static str, u8)>,
    clone: u8,
    clone_fields: Vec<&'static str>,
    standby: u8,
    tls: bool,
    parameters: bool,
}

pub(super) const NAMESPACES: [&str; 3] = ["default", "team-a", "team-b"];

/// Texts of the operator's settings: section, key, and what surrounds the word in it.
const SETTINGS: [(&str, &str, &str); 18] = [
    ("aws_or_gcp", "wal_az_storage_account", "@"),
    ("aws_or_gcp", "wal_s3_bucket", "@"),
    ("aws_or_gcp", "wal_gs_bucket", "gs-@"),
    ("aws_or_gcp", "gcp_credentials", "/creds/@.json"),
    ("aws_or_gcp", "log_s3_bucket", "@-logs"),
    ("aws_or_gcp", "kube_iam_role", "arn:@"),
    ("aws_or_gcp", "additional_secret_mount", "@"),
    ("users", "super_username", "@"),
    ("users", "replication_username", "u_@"),
    ("kubernetes", "cluster_name_label", "@"),
    ("kubernetes", "pod_role_label", "r-@"),
    ("kubernetes", "pod_environment_secret", "@"),
    ("kubernetes", "pod_environment_configmap", "@"),
    ("kubernetes", "secret_name_template", "{username}.{cluster}.@"),
    ("teams_api", "pam_role_name", "@"),
    ("teams_api", "pam_configuration", "https://@/x?y= uid"),
    ("", "etcd_host", "@.example:2379"),
    ("", "docker_image", "registry.example/spilo-17:@"),
];

/// Names that the operator has itself, names that people set, and names that nobody else has.
const NAMES: [&str; 16] = [
    "SCOPE",
    "PGVERSION",
    "POD_IP",
    "AZURE_STORAGE_ACCOUNT",
    "CLONE_AZURE_STORAGE_ACCOUNT",
    "CLONE_METHOD",
    "CLONE_SCOPE",
    "WALG_AZ_PREFIX",
    "CLONE_WALG_AZ_PREFIX",
    "WAL_S3_BUCKET",
    "STANDBY_HOST",
    "LOG_S3_BUCKET",
    "scope",
    "OWN_A",
    "OWN_B",
    "OWN_C",
];
const CLONE_FIELDS: [&str; 4] = ["s3_wal_path", "s3_endpoint", "s3_access_key_id", "s3_secret_access_key"];

fn shapes(clusters: usize) -> impl Strategy<Value = Shape> {
    let keys: Vec<&str> = SETTINGS.iter().map(|(_, key, _)| *key).collect();
    let cluster =
        (
            0..NAMESPACES.len(),
            proptest::collection::vec((select(NAMES.to_vec()), 0u8..8), 0..9),
            0u8..4,
            subsequence(CLONE_FIELDS.to_vec(), 0..=CLONE_FIELDS.len()),
            0u8..6,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(namespace, env, clone, clone_fields, standby, tls, parameters)| {
                ClusterShape { namespace, env, clone, clone_fields, standby, tls, parameters }
            });
    let some_names = || subsequence(NAMES.to_vec(), 0..6);
    (
        any::<bool>(),
        subsequence(keys.clone(), 0..=keys.len()),
        any::<bool>(),
        proptest::collection::vec(some_names(), NAMESPACES.len()),
        some_names(),
        any::<bool>(),
        proptest::collection::vec(cluster, clusters),
    )
        .prop_map(
            |(flat, settings, configmap_has_namespace, secret_keys, configmap_keys, at_home, clusters)| {
                Shape {
                    flat,
                    settings,
                    configmap_has_namespace,
                    secret_keys,
                    configmap_keys,
                    configmap_at_home: at_home,
                    clusters,
                }
            },
        )
}

/// An input, and the place of every word in it.
pub(super) struct Generated {
    pub input: RenderInput,
    pub words: Vec<(String, InputObject, String)>,
}

/// The same for the same seed.
pub(super) fn generate(seed: u64, clusters: usize) -> Generated {
    let mut bytes = [7u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let shape = shapes(clusters).new_tree(&mut runner).unwrap().current();
    Words { seed, words: Vec::new() }.input(&shape)
}

struct Words {
    seed: u64,
    words: Vec<(String, InputObject, String)>,
}

impl Words {
    /// `form` with a word of its own in the place of `@`. All words are of one length, so none is a part of another.
    fn word(&mut self, form: &str, object: InputObject, pointer: &str) -> String {
        let word = format!("w{:03}n{:04}", self.seed, self.words.len());
        self.words.push((word.clone(), object, pointer.to_owned()));
        form.replace('@', &word)
    }

    fn input(mut self, shape: &Shape) -> Generated {
        let home = "default";
        let mut settings = Map::new();
        let (mut secret, mut configmap) = (None, None);
        for (section, key, form) in SETTINGS.iter().filter(|(_, key, _)| shape.settings.contains(key)) {
            let pointer = match (shape.flat, section.is_empty()) {
                (true, _) => format!("/data/{key}"),
                (false, true) => format!("/configuration/{key}"),
                (false, false) => format!("/configuration/{section}/{key}"),
            };
            let mut value = self.word(form, InputObject::Settings, &pointer);
            match *key {
                "pod_environment_secret" => secret = Some(value.clone()),
                "pod_environment_configmap" => {
                    configmap = Some(value.clone());
                    if shape.configmap_has_namespace {
                        value = format!("{home}/{value}");
                    }
                }
                _ => {}
            }
            if shape.flat || section.is_empty() {
                settings.insert((*key).to_owned(), json!(value));
            } else {
                let section = settings.entry(*section).or_insert_with(|| json!({}));
                section[*key] = json!(value);
            }
        }
        // Without it the API server refuses every StatefulSet of the flat form.
        if shape.settings.contains(&"additional_secret_mount") {
            let path = json!("/mnt/secret");
            match shape.flat {
                true => settings.insert("additional_secret_mount_path".to_owned(), path),
                false => settings["aws_or_gcp"]
                    .as_object_mut()
                    .unwrap()
                    .insert("additional_secret_mount_path".to_owned(), path),
            };
        }
        let settings = match shape.flat {
            true => Settings::ConfigMap(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": "postgres-operator", "namespace": home }, "data": settings,
            })),
            false => Settings::Object(json!({
                "apiVersion": "acid.zalan.do/v1", "kind": "OperatorConfiguration",
                "metadata": { "name": "postgres-operator", "namespace": home }, "configuration": settings,
            })),
        };
        let objects = self.objects(shape, secret, configmap);
        let clusters: Vec<Value> =
            shape.clusters.iter().enumerate().map(|(index, shape)| self.cluster(index, shape)).collect();
        Generated { input: RenderInput { settings, objects, clusters }, words: self.words }
    }

    fn objects(&mut self, shape: &Shape, secret: Option<String>, configmap: Option<String>) -> Vec<Value> {
        let mut objects = Vec::new();
        if let Some(name) = secret {
            for (namespace, keys) in NAMESPACES.iter().zip(&shape.secret_keys) {
                let data: Map<String, Value> =
                    keys.iter().map(|key| ((*key).to_owned(), json!("hush"))).collect();
                objects.push(json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": { "name": name, "namespace": namespace }, "stringData": data,
                }));
            }
        }
        if let Some(name) = configmap {
            // At home, or in the namespace of each cluster, where the operator looks next.
            let namespaces = if shape.configmap_at_home { &NAMESPACES[..1] } else { &NAMESPACES[1..] };
            for namespace in namespaces {
                let object = InputObject::Object(objects.len());
                let data: Map<String, Value> = shape
                    .configmap_keys
                    .iter()
                    .map(|key| {
                        let value = self.word("c@", object, &format!("/data/{key}"));
                        ((*key).to_owned(), json!(value))
                    })
                    .collect();
                objects.push(json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": { "name": name, "namespace": namespace }, "data": data,
                }));
            }
        }
        objects
    }

    fn cluster(&mut self, index: usize, shape: &ClusterShape) -> Value {
        let object = InputObject::Cluster(index);
        let name = self.word("acid-@", object, "/metadata/name");
        let env: Vec<Value> = shape
            .env
            .iter()
            .enumerate()
            .map(|(at, (name, kind))| self.item(object, at, name, *kind))
            .collect();
        let mut spec = json!({
            "teamId": "acid", "numberOfInstances": 1, "volume": { "size": "1Gi" },
            "postgresql": { "version": "14" }, "env": env,
        });
        if shape.clone > 1 {
            spec["clone"] = json!({ "cluster": self.word("acid-@", object, "/spec/clone/cluster") });
            if shape.clone == 3 {
                let number = self.words.len();
                let timestamp =
                    format!("2025-03-04T05:{:02}:{:02}.{number:06}+00:00", number / 60 % 60, number % 60);
                let uid = format!("abcdef00-0000-4000-8000-{:012}", number);
                self.words.push((timestamp.clone(), object, "/spec/clone/timestamp".to_owned()));
                self.words.push((uid.clone(), object, "/spec/clone/uid".to_owned()));
                spec["clone"]["timestamp"] = json!(timestamp);
                spec["clone"]["uid"] = json!(uid);
                for field in &shape.clone_fields {
                    spec["clone"][*field] = json!(self.word("x@", object, &format!("/spec/clone/{field}")));
                }
            }
        }
        let standby = ["s3_wal_path", "gs_wal_path", "standby_host"].get(usize::from(shape.standby));
        if let Some(field) = standby {
            spec["standby"] = json!({ *field: self.word("s@", object, &format!("/spec/standby/{field}")) });
        }
        if shape.tls {
            spec["tls"] = json!({
                "secretName": self.word("tls-@", object, "/spec/tls/secretName"),
                "certificateFile": self.word("@.crt", object, "/spec/tls/certificateFile"),
            });
        }
        if shape.parameters {
            let value = self.word("@", object, "/spec/postgresql/parameters/application_name");
            spec["postgresql"]["parameters"] = json!({ "application_name": value, "work_mem": "64MB" });
        }
        json!({
            "apiVersion": "acid.zalan.do/v1", "kind": "postgresql",
            "metadata": { "name": name, "namespace": NAMESPACES[shape.namespace] }, "spec": spec,
        })
    }

    fn item(&mut self, object: InputObject, at: usize, name: &str, kind: u8) -> Value {
        let mut word = |form: &str, rest: &str| self.word(form, object, &format!("/spec/env/{at}/{rest}"));
        match kind {
            0 => json!({ "name": name, "value": "" }),
            1 => json!({ "name": name }),
            2 => json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": "metadata.uid" } } }),
            3 => json!({ "name": name, "valueFrom": { "secretKeyRef": {
                "name": word("s-@", "valueFrom/secretKeyRef/name"),
                "key": word("k.@", "valueFrom/secretKeyRef/key"),
            } } }),
            4 => json!({ "name": name, "valueFrom": { "configMapKeyRef": {
                "name": word("s-@", "valueFrom/configMapKeyRef/name"),
                "key": word("k.@", "valueFrom/configMapKeyRef/key"),
            } } }),
            5 => json!({ "name": name, "value": word("azure://@/$(SCOPE)", "value") }),
            _ => json!({ "name": name, "value": word("@", "value") }),
        }
    }
}

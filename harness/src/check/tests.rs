//! What the examples of the pages do not show: where findings end, and what they must not be found in.
mod clones;
mod credentials;
mod objects;
mod values;

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::manifests::Manifests;
use crate::render::InputObject;
use crate::render::{Origin, Refused, RefusedBy, RenderedCluster, RenderedSet, RenderedVariable, Rendering};

const NOW: &str = "2026-11-24T08:00:00Z";

/// A clone in two accounts that is sound, as the operator renders it.
fn sound() -> Vec<(&'static str, Value)> {
    let key = |key: &str| json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": key } } });
    let value = |value: &str| json!({ "value": value });
    vec![
        ("SCOPE", value("acid-clone")),
        ("PGVERSION", value("15")),
        ("AZURE_STORAGE_ACCOUNT", value("clonebackups")),
        ("AZURE_STORAGE_ACCESS_KEY", key("clone")),
        ("WALG_AZ_PREFIX", value("azure://backups/$(SCOPE)/$(PGVERSION)")),
        ("CLONE_METHOD", value("CLONE_WITH_WALE")),
        ("CLONE_SCOPE", value("acid-orders")),
        ("CLONE_TARGET_TIME", value("2026-11-23T10:00:00+00:00")),
        ("CLONE_AZURE_STORAGE_ACCOUNT", value("prodbackups")),
        ("CLONE_AZURE_STORAGE_ACCESS_KEY", key("prod")),
        ("CLONE_WALG_AZ_PREFIX", value("azure://backups/spilo/acid-orders/wal")),
        ("CLONE_USE_WALG_RESTORE", value("true")),
    ]
}

/// A world of one clone. Its env is what the operator gave, and `spec.env` all of it.
struct Case {
    env: Vec<(&'static str, Value)>,
    /// Documents besides the clone, before it.
    before: String,
    timestamp: &'static str,
    refused: Option<Refused>,
    settings: CheckSettings,
    there: There,
    /// The env of the cluster that it is cloned from; none where that is not among the manifests.
    source: Vec<(&'static str, Value)>,
    /// `spec.postgresql.parameters` as they reach Spilo.
    parameters: Value,
}

/// The cluster that the sound clone is made from, as the operator renders it.
fn source() -> Vec<(&'static str, Value)> {
    vec![
        ("SCOPE", json!({ "value": "acid-orders" })),
        ("PGVERSION", json!({ "value": "15" })),
        ("AZURE_STORAGE_ACCOUNT", json!({ "value": "prodbackups" })),
        (
            "AZURE_STORAGE_ACCESS_KEY",
            json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } }),
        ),
        ("WALG_AZ_PREFIX", json!({ "value": "azure://backups/spilo/$(SCOPE)/wal" })),
    ]
}

impl Case {
    fn new() -> Case {
        let keys = "apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\nstringData: { prod: aaaaaaaa, clone: bbbbbbbb }\n---\n";
        Case {
            env: sound(),
            before: keys.to_owned(),
            timestamp: "2026-11-23T10:00:00+00:00",
            refused: None,
            settings: CheckSettings::default(),
            there: There::None,
            source: Vec::new(),
            parameters: json!({}),
        }
    }

    fn with(mut self, name: &'static str, value: Value) -> Case {
        self.env.retain(|(own, _)| *own != name);
        self.env.push((name, value));
        self
    }

    fn without(mut self, name: &str) -> Case {
        self.env.retain(|(own, _)| *own != name);
        self
    }

    fn checked(&self) -> Checked {
        let mut env = self.env.clone();
        if self.parameters != json!({}) {
            let configuration = json!({ "postgresql": { "parameters": self.parameters } }).to_string();
            env.push(("SPILO_CONFIGURATION", json!({ "value": configuration })));
        }
        let mut text = self.before.clone();
        if !self.source.is_empty() {
            text.push_str(&format!("{}\n---\n", manifest("acid-orders", json!({}), &self.source)));
        }
        let section = json!({ "cluster": "acid-orders", "timestamp": self.timestamp });
        text.push_str(&manifest("acid-clone", section, &env));
        let manifests = Manifests::of_text(Path::new("all.yaml"), &text);
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        let (input, index) = manifests.to_render_input();
        let last = input.clusters.len() - 1;
        let result = self.refused.clone().map_or(Ok(rendered(&env, last)), Err);
        let mut clusters = Vec::new();
        if !self.source.is_empty() {
            clusters
                .push(RenderedCluster { cluster: last - 1, result: Ok(rendered(&self.source, last - 1)) });
        }
        clusters.push(RenderedCluster { cluster: last, result });
        let rendering =
            Rendering { operator: "v1.15.1".to_owned(), clusters, log: Vec::new(), refused: Vec::new() };
        check(&manifests, &index, &rendering, &self.settings, NOW.parse().unwrap(), &self.there)
    }

    fn codes(&self) -> Vec<&'static str> {
        self.checked().findings.iter().map(|finding| finding.definition.code).collect()
    }
}

fn items(env: &[(&'static str, Value)]) -> Vec<Value> {
    let item = |(name, value): &(&str, Value)| {
        let mut item = json!({ "name": name });
        item.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        item
    };
    env.iter().map(item).collect()
}

fn manifest(name: &str, clone: Value, env: &[(&'static str, Value)]) -> String {
    let manifest = json!({
        "apiVersion": "acid.zalan.do/v1",
        "kind": "postgresql",
        "metadata": { "name": name },
        "spec": { "clone": clone, "env": items(env) },
    });
    serde_json::to_string_pretty(&manifest).unwrap()
}

/// What the operator renders of it: `spec.env` as it is.
fn rendered(env: &[(&'static str, Value)], cluster: usize) -> RenderedSet {
    let variables = items(env).into_iter().enumerate().map(|(at, item)| RenderedVariable {
        name: item["name"].as_str().unwrap().to_owned(),
        origins: vec![Origin {
            object: InputObject::Cluster(cluster),
            pointer: format!("/spec/env/{at}/value"),
            release_default: false,
        }],
        item,
        derived: false,
        hidden: false,
    });
    RenderedSet {
        env: variables.collect(),
        stateful_set: Value::Null,
        log: Vec::new(),
        origins_unknown: None,
    }
}

fn value(text: &str) -> Value {
    json!({ "value": text })
}

/// The findings with their severities.
fn said(case: &Case) -> Vec<(&'static str, Severity)> {
    case.checked().findings.iter().map(|finding| (finding.definition.code, finding.severity)).collect()
}

/// A clone with these variables changed: what is found.
fn with(changes: &[(&'static str, &str)]) -> Vec<(&'static str, Severity)> {
    said(&changes.iter().fold(Case::new(), |case, (name, text)| case.with(name, value(text))))
}

#[test]
fn nothing_is_found_in_what_is_sound() {
    assert_eq!(Case::new().codes(), [""; 0]);
}

#[test]
fn codes_are_slugs_and_unique() {
    let codes: Vec<&str> = definitions().iter().map(|definition| definition.code).collect();
    let unique: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(unique.len(), codes.len());
    let slug = regex::Regex::new("^[a-z]+(-[a-z]+)*$").unwrap();
    assert!(codes.iter().all(|code| slug.is_match(code)));
    assert!(by_code("clone-without-prefix").is_some() && by_code("nothing").is_none());
}

#[test]
fn what_the_api_server_refuses_is_a_finding_where_one_explains_it_and_a_problem_otherwise() {
    let mut case = Case::new();
    case.timestamp = "2026-11-23T10:00:00";
    let refused = |field: &str| Refused {
        by: RefusedBy::ApiServer,
        message: "should match a pattern; the key was aaaaaaaa".to_owned(),
        field: Some(field.to_owned()),
    };
    case.refused = Some(refused("spec.clone.timestamp"));
    let checked = case.checked();
    assert_eq!((checked.findings.len(), checked.problems.len()), (1, 0));
    assert_eq!(checked.findings[0].definition.code, "timestamp-without-time-zone");
    case.timestamp = "2026-11-23T10:00:00+00:00";
    case.refused = Some(refused("spec.env[0].name"));
    let checked = case.checked();
    assert_eq!((checked.findings.len(), checked.problems.len()), (0, 1));
    let record = checked.problems[0].record();
    assert_eq!(record.code, "clonedrill::manifests::refused_by_api_server");
    assert!(record.line > 10, "the place of the field: {record:?}");
    // Whatever the API server repeats.
    assert!(!record.message.contains("aaaaaaaa"), "{}", record.message);
}

#[test]
fn no_message_holds_a_key() {
    let key = "hunter2hunter2hunter2";
    let mut case = Case::new().with("CLONE_AZURE_STORAGE_ACCESS_KEY", value(key));
    case.env.push(("CLONE_AZURE_STORAGE_ACCESS_KEY", value("another-key-in-plain-text")));
    for finding in case.checked().findings {
        let shown = format!("{:?}", miette::Report::new(finding.diagnosis()));
        assert!(!shown.contains(key) && !shown.contains("another-key"), "{shown}");
        assert!(!finding.record().message.contains(key), "{}", finding.message);
    }
}

#[test]
fn a_finding_is_accepted_beside_the_object_or_in_the_configuration() {
    let mut case = Case::new().with("WAL_RESTORE_TIMEOUT", value("16"));
    case.settings.accept = vec![Acceptance {
        code: "restore-timeout".to_owned(),
        cluster: Some("acid-clone".to_owned()),
        reason: "our network is quick".to_owned(),
    }];
    let checked = case.checked();
    assert_eq!(checked.findings[0].accepted.as_deref(), Some("our network is quick"));
    assert_eq!(checked.worst(), None);
    case.settings.accept[0].cluster = Some("acid-other".to_owned());
    assert_eq!(case.checked().worst(), Some(Severity::Warning));
}

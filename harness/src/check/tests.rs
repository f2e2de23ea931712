//! What the examples of the pages do not show: where findings end, and what they must not be found in.
#![allow(clippy::unwrap_used)]

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
        let item = |(name, value): &(&str, Value)| {
            let mut item = json!({ "name": name });
            item.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            item
        };
        let env: Vec<Value> = self.env.iter().map(item).collect();
        let clone = json!({
            "apiVersion": "acid.zalan.do/v1",
            "kind": "postgresql",
            "metadata": { "name": "acid-clone" },
            "spec": { "clone": { "cluster": "acid-orders", "timestamp": self.timestamp }, "env": env },
        });
        let text = format!("{}{}", self.before, serde_json::to_string_pretty(&clone).unwrap());
        let manifests = Manifests::of_text(Path::new("all.yaml"), &text);
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        let (input, index) = manifests.to_render_input();
        let mut variables: Vec<RenderedVariable> = Vec::new();
        for (at, item) in env.iter().enumerate() {
            let origin = Origin {
                object: InputObject::Cluster(input.clusters.len() - 1),
                pointer: format!("/spec/env/{at}/value"),
                release_default: false,
            };
            variables.push(RenderedVariable {
                name: item["name"].as_str().unwrap().to_owned(),
                item: item.clone(),
                origins: vec![origin],
                derived: false,
                hidden: false,
            });
        }
        let set =
            RenderedSet { env: variables, stateful_set: Value::Null, log: Vec::new(), origins_unknown: None };
        let result = self.refused.clone().map_or(Ok(set), Err);
        let rendering = Rendering {
            operator: "v1.15.1".to_owned(),
            clusters: vec![RenderedCluster { cluster: input.clusters.len() - 1, result }],
            log: Vec::new(),
            refused: Vec::new(),
        };
        check(&manifests, &index, &rendering, &self.settings, NOW.parse().unwrap())
    }

    fn codes(&self) -> Vec<&'static str> {
        self.checked().findings.iter().map(|finding| finding.definition.code).collect()
    }
}

fn value(text: &str) -> Value {
    json!({ "value": text })
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
fn a_managed_identity_needs_no_credential() {
    let mut case = Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY").without("AZURE_STORAGE_ACCESS_KEY");
    let mut found = case.codes();
    found.sort_unstable();
    assert_eq!(found, ["backups-without-credentials", "clone-without-credentials"]);
    case.settings.managed_identity = true;
    assert_eq!(case.codes(), [""; 0]);
}

#[test]
fn a_service_principal_counts_when_it_is_complete() {
    let id = |case: Case| {
        case.with("CLONE_AZURE_CLIENT_ID", value("id")).with("CLONE_AZURE_TENANT_ID", value("tenant"))
    };
    let secret = json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } });
    let alone = id(Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY"));
    assert_eq!(alone.codes(), ["clone-without-credentials"]);
    assert_eq!(alone.with("CLONE_AZURE_CLIENT_SECRET", secret.clone()).codes(), [""; 0]);
    assert_eq!(
        id(Case::new()).with("CLONE_AZURE_CLIENT_SECRET", secret).codes(),
        ["two-kinds-of-credentials"]
    );
}

#[test]
fn a_duplicate_that_says_the_same_is_no_finding() {
    let mut case = Case::new();
    case.env.push(("CLONE_AZURE_STORAGE_ACCOUNT", value("prodbackups")));
    assert_eq!(case.codes(), [""; 0]);
}

#[test]
fn what_the_operators_missing_configmap_may_add_is_not_missed() {
    let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: c }\n\
                    configuration: { kubernetes: { pod_environment_configmap: infra/pod-env } }\n---\n";
    let mut case = Case::new().without("WALG_AZ_PREFIX").without("CLONE_USE_WALG_RESTORE");
    let mut found = case.codes();
    found.sort_unstable();
    assert_eq!(found, ["account-without-prefix", "clone-without-walg-restore"]);
    case.before.insert_str(0, settings);
    assert_eq!(case.codes(), ["missing-configmap"]);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: pod-env, namespace: infra }\ndata: { A: b }\n---\n";
    case.before.insert_str(0, map);
    assert_eq!(case.codes().len(), 2);
}

#[test]
fn the_flat_form_of_the_configuration_refers_too() {
    let mut case = Case::new();
    case.before.insert_str(
        0,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: postgres-operator }\ndata: { pod_environment_secret: pod-keys }\n---\n",
    );
    assert_eq!(case.codes(), ["missing-secret"]);
}

#[test]
fn retention_is_that_of_spilo_unless_the_team_says_otherwise() {
    let at = |timestamp: &'static str| {
        let mut case = Case::new().with("CLONE_TARGET_TIME", value(timestamp));
        case.timestamp = timestamp;
        case
    };
    let too_old = ["timestamp-before-retention"];
    // Five days, and a backup each night at 1: the newest that is five days old is of the 19th.
    assert_eq!(at("2026-11-19T01:30:00+00:00").codes(), [""; 0]);
    assert_eq!(at("2026-11-19T00:30:00+00:00").codes(), too_old);
    let weekly = at("2026-10-27T07:00:00+00:00").with("BACKUP_SCHEDULE", value("0 1 * * 1"));
    assert_eq!(weekly.codes(), [""; 0]);
    let mut case = at("2026-11-01T00:00:00+00:00");
    case.settings.retention = Some(Retention::try_from("30d".to_owned()).unwrap());
    assert_eq!(case.codes(), [""; 0]);
    case.settings.retention = Some(Retention::try_from("2w".to_owned()).unwrap());
    assert_eq!(case.codes(), too_old);
}

#[test]
fn a_time_that_has_passed_in_another_zone_is_not_in_the_future() {
    let at = |timestamp: &'static str| {
        let mut case = Case::new().with("CLONE_TARGET_TIME", value(timestamp));
        case.timestamp = timestamp;
        case.codes()
    };
    assert_eq!(at("2026-11-24T10:00:00+05:00"), [""; 0]);
    assert_eq!(at("2026-11-24T08:03:00Z"), [""; 0]);
    assert_eq!(at("2026-11-24T08:00:00-05:00"), ["timestamp-in-the-future"]);
}

#[test]
fn a_uid_below_the_name_is_the_clusters_own_and_another_name_is_not() {
    let at = |prefix: &str| Case::new().with("WALG_AZ_PREFIX", value(prefix)).codes();
    let uid = "3f0e6a52-7c1b-4d5e-8a43-0d6b1c9e2f71";
    assert_eq!(at(&format!("azure://backups/spilo/acid-clone/{uid}/wal/15")), [""; 0]);
    assert_eq!(at("azure://backups/spilo/acid-clone/wal"), [""; 0]);
    assert_eq!(at(&format!("azure://backups/spilo/{uid}/wal/15")), ["prefix-without-own-name"]);
    assert_eq!(at("azure://backups/acid-clone/14"), ["prefix-against-convention"]);
}

#[test]
fn a_prefix_that_only_the_cluster_knows_is_not_judged() {
    let unknown = json!({ "valueFrom": { "configMapKeyRef": { "name": "nowhere", "key": "prefix" } } });
    assert_eq!(Case::new().with("WALG_AZ_PREFIX", unknown).codes(), ["missing-configmap"]);
}

#[test]
fn a_reference_that_is_optional_may_be_missing() {
    let reference =
        json!({ "valueFrom": { "secretKeyRef": { "name": "nowhere", "key": "a", "optional": true } } });
    assert_eq!(Case::new().with("EXTRA", reference).codes(), [""; 0]);
}

#[test]
fn the_clone_may_share_a_key_with_itself_where_the_account_is_one() {
    let key = json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "clone" } } });
    let case = Case::new().with("CLONE_AZURE_STORAGE_ACCESS_KEY", key);
    assert_eq!(case.codes(), ["clone-with-another-accounts-key"]);
    assert_eq!(case.with("CLONE_AZURE_STORAGE_ACCOUNT", value("clonebackups")).codes(), [""; 0]);
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
        let shown = format!("{:?}", miette::Report::new(finding.clone()));
        assert!(!shown.contains(key) && !shown.contains("another-key"), "{shown}");
        assert!(!finding.record().message.contains(key), "{}", finding.message);
    }
}

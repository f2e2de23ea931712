use serde_json::json;

use super::*;
use crate::render::{RenderedCluster, RenderedSet, Settings};

struct Lines;

impl Sources for Lines {
    fn place(&self, object: InputObject, pointer: &str) -> Option<String> {
        (object != InputObject::Settings).then(|| format!("manifests/x.yaml:{}", pointer.len()))
    }
}

fn variable(item: Value, origins: &[(InputObject, &str, bool)]) -> RenderedVariable {
    RenderedVariable {
        name: item["name"].as_str().unwrap().to_owned(),
        item,
        origins: origins
            .iter()
            .map(|(object, pointer, release_default)| Origin {
                object: *object,
                pointer: (*pointer).to_owned(),
                release_default: *release_default,
            })
            .collect(),
        derived: false,
        hidden: false,
    }
}

fn record(env: Vec<RenderedVariable>, origins_unknown: Option<&str>) -> RenderingRecord {
    let secret = json!({
        "kind": "Secret", "metadata": { "name": "keys" },
        "stringData": { "prod": "nobody-may-read-this", "switch": "true" },
    });
    let cluster = json!({ "kind": "postgresql", "metadata": { "name": "acid-orders", "namespace": "prod" } });
    let other = json!({ "kind": "postgresql", "metadata": { "name": "acid-other" } });
    let input =
        RenderInput { settings: Settings::Release, objects: vec![secret], clusters: vec![cluster, other] };
    let set = RenderedSet {
        env,
        stateful_set: Value::Null,
        log: vec!["cannot figure out S3 or GS bucket or AZ storage account".to_owned()],
        origins_unknown: origins_unknown.map(str::to_owned),
    };
    let refused = Refused {
        by: RefusedBy::ApiServer,
        message: "spec.volume: Required value".to_owned(),
        field: Some("spec.volume".to_owned()),
    };
    let rendering = Rendering {
        operator: "v9.0.0".to_owned(),
        clusters: vec![
            RenderedCluster { cluster: 0, result: Ok(set) },
            RenderedCluster { cluster: 1, result: Err(refused) },
        ],
        log: vec!["a line of no cluster".to_owned()],
        refused: Vec::new(),
    };
    RenderingRecord::new("manifests", &input, &rendering, &[], &Lines)
}

fn env() -> Vec<RenderedVariable> {
    let cluster = InputObject::Cluster(0);
    let mut env = vec![
        variable(json!({ "name": "SCOPE", "value": "acid-orders" }), &[(cluster, "/metadata/name", false)]),
        variable(
            json!({ "name": "PGUSER_STANDBY", "value": "standby" }),
            &[(InputObject::Settings, "/configuration/users/replication_username", true)],
        ),
        variable(
            json!({ "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "mine" }),
            &[(cluster, "/spec/env/0/value", false)],
        ),
        variable(
            json!({ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } }),
            &[
                (cluster, "/spec/env/1/valueFrom/secretKeyRef/name", false),
                (InputObject::Object(0), "/stringData/prod", false),
            ],
        ),
        variable(
            json!({ "name": "A_COPY", "value": "x=nobody-may-read-this" }),
            &[(cluster, "/spec/env/2/value", false)],
        ),
        variable(json!({ "name": "LONG", "value": "0123456789".repeat(40) }), &[]),
        variable(json!({ "name": "MADE", "value": "of something" }), &[]),
        variable(
            json!({ "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "theirs" }),
            &[(InputObject::Settings, "/configuration/aws_or_gcp/wal_az_storage_account", false)],
        ),
    ];
    env[2].hidden = true;
    env[6].derived = true;
    env
}

#[test]
fn a_table_keeps_to_its_width_and_says_what_hides_what() {
    let table = table(&record(env(), None), false);
    assert!(table.lines().all(|line| line.chars().count() <= WIDTH), "{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn unknown_origins_are_said_to_be_unknown() {
    let mut env = env();
    env.iter_mut().for_each(|variable| variable.origins.clear());
    let table = table(&record(env, Some("another list")), false);
    assert!(table.contains("not known") && !table.contains("the operator\n"), "{table}");
}

#[test]
fn no_secret_is_in_the_records() {
    let records = serde_json::to_string(&record(env(), None)).unwrap();
    assert!(!records.contains("nobody-may-read-this"), "{records}");
    assert!(records.contains(&Secret::new("nobody-may-read-this").fingerprint()));
}

//! A whole drill under just the rights that `ci/kubernetes/` gives, while somebody writes to the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::{PREFIX, SOURCE, plain};
use crate::rights::DRILLS;
use crate::world::{ORDERS, World};

const FILE: &str = "
name: orders-nightly
source: { namespace: orders, name: acid-orders }
into: { namespace: drills }
compare: { quiet_moment_within: 30s, archived_within: 90s }
newest: [{ database: orders, table: public.orders, column: created_at, within: 5m }]
expect:
  - { database: orders, query: SELECT count(*) FROM public.customers, equals: 50 }
  - { database: orders, query: SELECT count(*) FROM public.orders, at_least: 500 }
  - { database: orders, query: SELECT max(created_at) FROM public.orders, newer_than: 5m }
within: { rto: 2m, rpo: 1m }
limits: { time: 140s, volume: 2Gi }
tell: { metrics_file: drill.prom, events: true }
";
const PROOFS: [&str; 11] = [
    "system identifier",
    "point in time",
    "base backup",
    "timelines of the source",
    "all archived WAL",
    "tables readable",
    "data equal to the source's",
    "the moment is archived",
    "orders: newest public.orders.created_at",
    "orders: SELECT count(*) FROM public.customers",
    "amcheck",
];

pub(crate) fn a_drill_proves_and_leaves_nothing() {
    let world = World::up("proves", &[DRILLS]);
    let source = world.source();
    let kubeconfig = world.only_their_rights();
    let file = world.file("drill.yaml", FILE);
    world.each_right_is_asked_for(file.to_str().unwrap());
    let in_pod = world.run_as_in_a_pod(&kubeconfig, &["drill", file.to_str().unwrap(), "--print"]);
    assert_eq!(in_pod.code, Some(0), "{in_pod:?}");
    assert!(
        in_pod.stdout.contains("kind: postgresql") && in_pod.stdout.contains("CLONE_WALG_AZ_PREFIX"),
        "{in_pod:?}"
    );

    let drills = world.objects(DRILLS);
    let orders: BTreeSet<String> = world.objects(ORDERS).into_keys().collect();
    let object = world.source_object();
    let writer = world.writes(source, 20);
    let (_learning, found) = world.learn_secrets();
    let ended = world.run(&[
        "drill",
        file.to_str().unwrap(),
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--format",
        "json",
        "--junit",
        "out/junit.xml",
        "--evidence",
        "out",
    ]);
    assert!(!writer.is_finished(), "nobody could write to the source any more");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let drill = &report["drills"][0];
    it_is_proved(drill);
    it_is_measured(&drill["restore"]);
    world.it_is_told(drill);

    world.is_again(DRILLS, &drills);
    assert_eq!(orders, world.objects(ORDERS).into_keys().collect(), "the source's namespace is another one");
    let now = world.source_object();
    assert_eq!(
        (&now.data["spec"], now.metadata.generation),
        (&object.data["spec"], object.metadata.generation)
    );
    drop(writer);
    let blobs = world.blobs();
    assert!(blobs.iter().any(|blob| blob.starts_with(PREFIX)), "{blobs:?}");
    let others: Vec<&String> = blobs.iter().filter(|blob| !blob.starts_with(PREFIX)).collect();
    assert!(others.is_empty(), "not the source's: {others:?}");

    let clone = drill["restore"]["clone"].as_str().unwrap().trim_start_matches("drills/").to_owned();
    let mut secrets = found.lock().unwrap().clone();
    assert!(
        secrets.values().any(|from| from.contains(&clone)),
        "{clone}'s passwords were never seen: {:?}",
        secrets.values()
    );
    let token = world.kubeconfig_token(&kubeconfig);
    secrets.insert(token, "the token".to_owned());
    no_secret_in(&world.folder().join("out"), &secrets);
    no_secret_in(&world.folder().join("drill.prom"), &secrets);
    hides(&ended.stdout, "stdout", &secrets);
    hides(&ended.stderr, "stderr", &secrets);
}

fn it_is_proved(drill: &Value) {
    assert_eq!(drill["verdict"], "passed", "{drill:#}");
    let proofs = drill["restore"]["proofs"].as_array().unwrap();
    assert!(proofs.iter().all(|proof| proof["holds"] == true), "{proofs:#?}");
    let what: Vec<&str> = proofs.iter().map(|proof| proof["what"].as_str().unwrap()).collect();
    for wanted in PROOFS {
        assert!(what.contains(&wanted), "{wanted} is not proved: {what:?}");
    }
}

fn it_is_measured(restore: &Value) {
    let milliseconds = |measure: &str| restore[measure]["milliseconds"].as_u64().unwrap();
    assert!(milliseconds("rpo") <= 60_000, "{restore:#}");
    assert_eq!(restore["rpo"]["budget"], 60_000);
    assert_eq!(restore["rto"]["budget"], 120_000);
    let phases = restore["phases"].as_array().unwrap();
    let names: Vec<&str> = phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "list-backups", "fetch", "replay", "promote", "verify"]);
    let sum: u64 = phases.iter().map(|phase| phase["milliseconds"].as_u64().unwrap()).sum();
    assert_eq!(sum, milliseconds("rto"), "{phases:#?}");
    assert!(sum > 0);
    assert!(restore["backup"]["name"].as_str().unwrap().starts_with("base_"), "{}", restore["backup"]);
    assert!(!restore["largest_cause"].as_str().unwrap().is_empty());
}

impl World {
    fn source_object(&self) -> DynamicObject {
        let object: DynamicObject = serde_json::from_value(plain(SOURCE)).unwrap();
        self.runtime.block_on(self.of_kind(ORDERS, &object).get(SOURCE)).unwrap()
    }

    fn it_is_told(&self, drill: &Value) {
        let read = |name: &str| std::fs::read_to_string(self.folder().join(name)).unwrap();
        assert!(read("out/report.html").contains("orders-nightly"));
        let junit = read("out/junit.xml");
        assert!(junit.contains("failures=\"0\"") && junit.contains("amcheck"), "{junit}");
        let metrics = read("drill.prom");
        let success =
            metrics.lines().find(|line| line.starts_with("clonedrill_last_success_timestamp_seconds{"));
        let time: f64 = success.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(time > 1.7e9, "{metrics}");
        let events: Api<Event> = Api::namespaced(self.client.clone(), ORDERS);
        let events = self.runtime.block_on(events.list(&ListParams::default())).unwrap().items;
        // Those that were refused for want of a right have told of it too, with other reasons.
        let passed = events.iter().filter(|event| event.reason.as_deref() == Some("DrillPassed"));
        let passed: Vec<&Event> = passed.collect();
        assert_eq!(passed.len(), 1, "{events:?}");
        assert_eq!(passed[0].reporting_controller.as_deref(), Some("clonedrill"));
        assert_eq!(passed[0].regarding.as_ref().unwrap().name.as_deref(), Some(SOURCE));
        let evidence = self.folder().join(drill["evidence"].as_str().unwrap());
        assert!(evidence.join("manifest.yaml").is_file() && evidence.join("logs").is_dir());
    }

    fn kubeconfig_token(&self, path: &Path) -> String {
        let kubeconfig: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        kubeconfig["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    /// Every password and key that there ever is in both namespaces, with the name of its Secret.
    fn learn_secrets(&self) -> (AbortOnDropHandle<()>, Arc<Mutex<BTreeMap<String, String>>>) {
        let found: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let (into, client) = (found.clone(), self.client.clone());
        let task = async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(300));
            loop {
                ticks.tick().await;
                for namespace in [ORDERS, DRILLS] {
                    let api: Api<KubeSecret> = Api::namespaced(client.clone(), namespace);
                    for secret in api.list(&ListParams::default()).await.unwrap() {
                        let name = secret.name_any();
                        let values = secret.data.into_iter().flatten().filter(|(key, _)| key != "username");
                        let values =
                            values.map(|(_, value)| (String::from_utf8(value.0).unwrap(), name.clone()));
                        into.lock().unwrap().extend(values);
                    }
                }
            }
        };
        (AbortOnDropHandle::new(self.runtime.spawn(task)), found)
    }
}

fn no_secret_in(path: &Path, secrets: &BTreeMap<String, String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            no_secret_in(&entry.unwrap().path(), secrets);
        }
        return;
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    hides(&text, &path.display().to_string(), secrets);
}

/// Neither as it is nor as a Secret's manifest has it.
fn hides(text: &str, place: &str, secrets: &BTreeMap<String, String>) {
    for (secret, name) in secrets {
        assert!(secret.len() >= 8, "{name} holds something too short to look for");
        assert!(!text.contains(secret), "{place} shows what is in {name}");
        assert!(!text.contains(&STANDARD.encode(secret)), "{place} shows what is in {name}, in Base64");
    }
}

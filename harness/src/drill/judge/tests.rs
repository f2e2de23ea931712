use serde_json::{Value, json};

use super::*;
use crate::environment::ContainerLog;
use crate::observe::data::{
    Database, Identity, LargeObjects, MultisetDigest, SchemaObject, Table, TableKind, TableRows,
};
use crate::observe::env::{self, EnvInputs};
use crate::snapshot::redact::Redactor;
use crate::storage::{Access, Operation, Who};

const BROKEN_WHEEL: &str =
    "time=\"2026-11-24T03:00:00Z\" level=error msg=\"could not grease the wheel\" pkg=x\n";
const NO_GLOBAL: &str = "time=\"2026-11-24T03:00:00Z\" level=error msg=\"cannot figure out S3 or GS bucket or AZ storage account. \
                         All options are empty in the config.\" pkg=x\n";
const NO_BACKUP: &str =
    "Exception: Could not find any backups prior to the point in time 2026-11-24 03:00:00+00:00\n";
const SERVER_ERROR: &str = "2026-11-24 03:00:00.123 UTC [7]: ERROR:  could not turn the wheel\n";
const QUIET: &str = "2026-11-24 03:00:00,123 INFO: no action\n";

/// A cluster with one table of so many rows.
fn data(rows: u64) -> DataObservation {
    let table = Table {
        name: "public.orders".to_owned(),
        kind: TableKind::Table,
        columns: vec!["id".to_owned()],
        key: vec!["id".to_owned()],
        rows: Some(TableRows { count: rows, ..TableRows::default() }),
        damage: None,
        left_out: false,
    };
    DataObservation {
        identity: Identity {
            system_identifier: "71".to_owned(),
            timeline: 1,
            in_recovery: false,
            lsn: "0/5000000".to_owned(),
            last_commit: None,
            last_replayed: None,
            server_version: "15.13".to_owned(),
            time: jiff::Timestamp::UNIX_EPOCH,
        },
        roles: Vec::new(),
        globals: Vec::new(),
        image: None,
        databases: vec![Database {
            name: "orders".to_owned(),
            definition: String::new(),
            connectable: true,
            opened: false,
            extensions: Vec::new(),
            schema: Vec::new(),
            schema_digest: MultisetDigest::default(),
            sequences: Vec::new(),
            large_objects: LargeObjects::default(),
            tables: vec![table],
            damage: Vec::new(),
        }],
    }
}

fn environment(container: &[(&str, &str)]) -> EnvObservation {
    let env = [("CLONE_METHOD", "CLONE_WITH_WALE"), ("ACCOUNT", "first"), ("ACCOUNT", "clonebackups")];
    let written = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
    EnvObservation::new(&EnvInputs {
        template_env: env.iter().map(written).collect(),
        container: container.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        manifest: json!({ "spec": { "env": [{ "name": "ACCOUNT", "value": "clonebackups" }] } }),
        ..EnvInputs::default()
    })
}

fn access(who: Who, account: &str, operation: Operation, name: &str, status: u16) -> Access {
    let listing = operation == Operation::ListBlobs;
    Access {
        time: jiff::Timestamp::UNIX_EPOCH,
        source: std::net::IpAddr::from([10, 244, 1, 7]),
        who,
        account: account.to_owned(),
        container: Some("backups".to_owned()),
        blob: (!listing).then(|| name.to_owned()),
        prefix: listing.then(|| name.to_owned()),
        operation,
        status: Some(status),
        error_code: (status == 403).then(|| "AuthenticationFailed".to_owned()),
        bytes_in: 0,
        bytes_out: 0,
        rule: None,
    }
}

fn of(cluster: &str) -> Who {
    Who::Cluster(cluster.to_owned())
}

fn logs(texts: &[(&str, &str, &str)]) -> LogObservation {
    let log = |(pod, container, text): &(&str, &str, &str)| ContainerLog {
        pod: (*pod).to_owned(),
        uid: String::new(),
        container: (*container).to_owned(),
        attempt: 0,
        text: (*text).to_owned(),
    };
    let owners = BTreeMap::from([
        ("operator".to_owned(), Owner::Operator),
        ("source-0".to_owned(), Owner::Cluster("source".to_owned())),
        ("clone-0".to_owned(), Owner::Cluster("clone".to_owned())),
    ]);
    LogObservation::new(&texts.iter().map(log).collect::<Vec<_>>(), &owners, &Redactor::new())
}

/// The quiet logs of a sound drill, and these.
fn logs_with(more: &[(&str, &str, &str)]) -> LogObservation {
    let mut texts = vec![
        ("operator", "postgres-operator", "time=\"2026-11-24T03:00:00Z\" level=info msg=hello pkg=x\n"),
        ("source-0", "postgres", QUIET),
        ("source-0", "postgres-server", QUIET),
        ("clone-0", "postgres", QUIET),
        ("clone-0", "postgres-server", QUIET),
    ];
    texts.extend_from_slice(more);
    logs(&texts)
}

fn became(kind: ClusterOutcome, why: &str, evidence: &[&str]) -> Option<Outcome> {
    let evidence = evidence.iter().map(|line| (*line).to_owned()).collect();
    Some(Outcome { kind, why: why.to_owned(), evidence })
}

fn storage(accesses: Vec<Access>) -> StorageObservation {
    StorageObservation::new(accesses, Vec::new(), BTreeMap::new())
}

/// A drill in which all went well: `clone` has the 3 rows of the mark, `source` has 4 by now.
fn sound() -> Observed {
    let own = environment(&[
        ("WALG_AZ_PREFIX", "azure://backups/clone/15"),
        ("AZURE_STORAGE_ACCOUNT", "clonebackups"),
    ]);
    let source = ObservedCluster {
        outcome: became(ClusterOutcome::Running, "it runs", &[]),
        data: Some(data(4)),
        ..ObservedCluster::default()
    };
    let clone = ObservedCluster {
        outcome: became(
            ClusterOutcome::Running,
            "restored from source",
            &["recovery stopping before commit"],
        ),
        data: Some(data(3)),
        env: Some(environment(&[("CLONE_METHOD", "CLONE_WITH_WALE"), ("ACCOUNT", "clonebackups")])),
        own: OwnPlace::of(&own),
        ..ObservedCluster::default()
    };
    Observed {
        clusters: BTreeMap::from([("source".to_owned(), source), ("clone".to_owned(), clone)]),
        marks: BTreeMap::from([("mark".to_owned(), data(3))]),
        logs: logs_with(&[]),
        storage: storage(vec![
            access(of("source"), "prodbackups", Operation::WriteBlob, "source/15/base", 201),
            access(of("clone"), "prodbackups", Operation::ListBlobs, "source/15/", 200),
            access(of("clone"), "prodbackups", Operation::ReadBlob, "source/15/base", 200),
            access(of("clone"), "clonebackups", Operation::ListBlobs, "clone/15/", 200),
            access(of("clone"), "clonebackups", Operation::CommitBlocks, "clone/15/base", 201),
            access(of("clone"), "clonebackups", Operation::ReadBlob, "clone/15/base", 200),
        ]),
        redactor: Redactor::new(),
        comparisons: Comparisons::default(),
    }
}

/// The same with a clone of which this became.
fn with_clone(change: impl FnOnce(&mut ObservedCluster)) -> Observed {
    let mut observed = sound();
    change(observed.clusters.get_mut("clone").unwrap());
    observed
}

fn failing(because: &str, evidence: &[&str]) -> (Observed, Value) {
    let observed = with_clone(|clone| {
        clone.outcome = became(ClusterOutcome::BootstrapFails, "its bootstrap failed 2 times", evidence);
        clone.data = None;
    });
    (observed, json!({ "clone": { "outcome": "bootstrap-fails", "because": because } }))
}

fn filled(name: &str, text: &str) -> String {
    env::shown(name, &text.replace("${storage.clonebackups.name}", "clonebackups"), &Redactor::new())
}

fn judge(observed: &Observed, expect: Value) -> Vec<Finding> {
    observed.judge(&serde_json::from_value(expect).unwrap(), &filled).unwrap()
}

/// Subject, what was expected, what was seen.
type Said = (String, String, String);

fn said(observed: &Observed, expect: Value) -> Vec<Said> {
    judge(observed, expect).into_iter().map(|found| (found.subject, found.expected, found.seen)).collect()
}

fn says(subject: &str, expected: &str, seen: &str) -> Vec<Said> {
    vec![(subject.to_owned(), expected.to_owned(), seen.to_owned())]
}

/// The expectation of a running clone with something more.
fn running(more: Value) -> Value {
    let mut clone = json!({ "outcome": "running" });
    clone.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "clone": clone })
}

fn told_apart(observed: &Observed, clone: Value) -> Option<String> {
    let alternative = serde_json::from_value(json!({ "clone": clone })).unwrap();
    observed.told_apart(&alternative, &filled).unwrap()
}

mod clusters;
mod data;
mod follows;
mod unasked;

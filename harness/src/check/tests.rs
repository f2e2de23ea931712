//! What the examples of the pages do not show: where findings end, and what they must not be found in.
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
    let hanging = case.checked().findings;
    let mut codes: Vec<&str> = hanging.iter().map(|finding| finding.definition.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["account-without-prefix", "clone-without-walg-restore", "missing-configmap"]);
    for finding in hanging.iter().filter(|finding| finding.definition.code != "missing-configmap") {
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.message.contains("; unless ConfigMap infra/pod-env brings "), "{}", finding.message);
    }
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
        case.source = source();
        case
    };
    let too_old = ["timestamp-before-retention"];
    // Five days, and a backup each night at 1: the newest that is five days old is of the 19th.
    assert_eq!(at("2026-11-19T01:30:00+00:00").codes(), [""; 0]);
    assert_eq!(at("2026-11-19T00:30:00+00:00").codes(), too_old);
    let mut weekly = at("2026-10-27T07:00:00+00:00");
    weekly.source.push(("BACKUP_SCHEDULE", value("0 1 * * 1")));
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
        let shown = format!("{:?}", miette::Report::new(finding.diagnosis()));
        assert!(!shown.contains(key) && !shown.contains("another-key"), "{shown}");
        assert!(!finding.record().message.contains(key), "{}", finding.message);
    }
}

/// The findings with their severities.
fn said(case: &Case) -> Vec<(&'static str, Severity)> {
    case.checked().findings.iter().map(|finding| (finding.definition.code, finding.severity)).collect()
}

#[test]
fn what_depends_on_today_is_a_fault_only_before_the_clone_is_there() {
    let mut case = Case::new().with("CLONE_TARGET_TIME", value("2026-10-01T00:00:00Z"));
    case.timestamp = "2026-10-01T00:00:00Z";
    assert_eq!(case.codes(), [""; 0], "how long a source elsewhere keeps its backups is not known");
    case.source = source();
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Error)]);
    case.there = There::Unknown;
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Note)]);
    case.there = There::These([("default".to_owned(), "acid-orders".to_owned())].into());
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Error)]);
    case.there = There::These([("default".to_owned(), "acid-clone".to_owned())].into());
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Note)]);
}

/// A clone with these variables changed: what is found.
fn with(changes: &[(&'static str, &str)]) -> Vec<(&'static str, Severity)> {
    said(&changes.iter().fold(Case::new(), |case, (name, text)| case.with(name, value(text))))
}

#[test]
fn another_store_wins_for_backups_and_for_clones() {
    let error = [("another-store-wins", Severity::Error)];
    for (name, text) in [
        ("WAL_S3_BUCKET", "old"),
        ("WALG_GS_PREFIX", "gs://old/x"),
        ("WAL_SWIFT_BUCKET", "old"),
        ("CLONE_WALE_S3_PREFIX", "azure://backups/x"),
        ("CLONE_WALG_GS_PREFIX", "gs://old/x"),
        ("CLONE_WAL_S3_BUCKET", "old"),
    ] {
        assert_eq!(with(&[(name, text)]), error, "{name}");
    }
    assert_eq!(with(&[("WALG_SSH_PREFIX", "ssh://host/x")]), [("another-store-wins", Severity::Warning)]);
    let s3 = Case::new()
        .without("WALG_AZ_PREFIX")
        .without("AZURE_STORAGE_ACCOUNT")
        .without("AZURE_STORAGE_ACCESS_KEY")
        .with("WALG_S3_PREFIX", value("s3://backups/acid-clone"));
    assert_eq!(s3.codes(), [""; 0], "a clone from Azure may well archive to S3");
}

#[test]
fn names_that_azure_refuses_are_told() {
    for (name, text, code) in [
        ("WALG_AZ_PREFIX", "azure:/backups/acid-clone", "prefix-not-a-url"),
        ("CLONE_WALG_AZ_PREFIX", "backups/acid-orders", "prefix-not-a-url"),
        ("WALG_AZ_PREFIX", "azure://my_backups/acid-clone", "container-name-refused"),
        ("AZURE_STORAGE_ACCOUNT", "clone-backups", "account-name-refused"),
        ("CLONE_AZURE_STORAGE_ACCOUNT", "prod.blob.core.windows.net", "account-name-refused"),
        ("AZURE_ENVIRONMENT_NAME", "AzureCloud", "cloud-unknown"),
        ("WALG_COMPRESSION_METHOD", "gzip", "compression-unknown"),
    ] {
        assert_eq!(with(&[(name, text)]), [(code, Severity::Error)], "{name} {text}");
    }
    for (name, text) in [
        ("WALG_AZ_PREFIX", "azure://backups/acid-clone/"),
        ("AZURE_ENVIRONMENT_NAME", "AzurePublicCloud"),
        ("WALG_COMPRESSION_METHOD", "zstd"),
    ] {
        assert_eq!(with(&[(name, text)]), [], "{name} {text}");
    }
}

#[test]
fn schedules_and_numbers_are_held_to_what_spilo_makes_of_them() {
    for (name, text, code, severity) in [
        ("BACKUP_SCHEDULE", "daily", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "0 0 1 * * *", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "0 0 30 2 *", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "@reboot", "schedule-not-a-schedule", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "all", "retention-not-a-number", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "30d", "retention-not-a-number", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "1", "retention-not-a-number", Severity::Warning),
        ("WAL_RESTORE_TIMEOUT", "16", "restore-timeout", Severity::Warning),
        ("WAL_RESTORE_TIMEOUT", "1h", "restore-timeout", Severity::Note),
        ("WAL_RESTORE_TIMEOUT", "soon", "restore-timeout", Severity::Error),
    ] {
        assert_eq!(with(&[(name, text)]), [(code, severity)], "{name} {text}");
    }
    for (name, text) in
        [("BACKUP_SCHEDULE", "@daily"), ("BACKUP_NUM_TO_RETAIN", "14"), ("WAL_RESTORE_TIMEOUT", "0")]
    {
        assert_eq!(with(&[(name, text)]), [], "{name} {text}");
    }
}

#[test]
fn parameters_against_archiving_and_recovery_are_told() {
    let given = |parameters: Value| {
        let mut case = Case::new();
        case.parameters = parameters;
        said(&case)
    };
    let error = [("archiving-overridden", Severity::Error)];
    assert_eq!(given(json!({ "archive_mode": "off" })), error);
    assert_eq!(given(json!({ "archive_mode": false })), error);
    assert_eq!(given(json!({ "archive_command": "/bin/true" })), error);
    assert_eq!(given(json!({ "archive_command": "envdir /run/etc/wal-e.d/env wal-g wal-push %p" })), []);
    assert_eq!(given(json!({ "archive_mode": "always" })), []);
    let restore = [("restore-command-overridden", Severity::Warning)];
    assert_eq!(given(json!({ "restore_command": "cp /mnt/%f %p" })), restore);
    let unseen = [("missed-target-not-seen", Severity::Warning)];
    assert_eq!(given(json!({ "log_destination": "jsonlog" })), unseen);
    assert_eq!(given(json!({ "logging_collector": "off" })), unseen);
    assert_eq!(given(json!({ "log_destination": "csvlog,jsonlog", "work_mem": "8MB" })), []);
}

#[test]
fn encryption_of_source_and_clone_is_held_together() {
    let hex = "8f2d6c0b4a19e7735d0c9b8a7f6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4";
    let other = "00000c0b4a19e7735d0c9b8a7f6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4";
    let of = |source_has: &[(&'static str, &str)], clone_has: &[(&'static str, &str)]| {
        let mut case = clone_has.iter().fold(Case::new(), |case, (name, text)| case.with(name, value(text)));
        case.source = source();
        case.source.extend(source_has.iter().map(|(name, text)| (*name, value(text))));
        // That a key is written in plain text is another matter.
        said(&case).into_iter().filter(|(code, _)| *code != "key-in-manifest").collect::<Vec<_>>()
    };
    let own = [("WALG_LIBSODIUM_KEY", hex), ("WALG_LIBSODIUM_KEY_TRANSFORM", "hex")];
    let clones = [("CLONE_WALG_LIBSODIUM_KEY", hex), ("CLONE_WALG_LIBSODIUM_KEY_TRANSFORM", "hex")];
    assert_eq!(of(&own, &clones), []);
    let without = [("clone-without-decryption-key", Severity::Error)];
    assert_eq!(of(&own, &[]), without);
    assert_eq!(of(&own, &own), without, "its own key is for what it writes");
    let another = [("clone-with-other-decryption-key", Severity::Error)];
    assert_eq!(of(&own, &clones[..1]), another, "the transform is missing");
    assert_eq!(of(&own, &[("CLONE_WALG_LIBSODIUM_KEY", other), clones[1]]), another);
    let plain = [("clone-with-other-decryption-key", Severity::Warning)];
    assert_eq!(of(&[], &clones), plain);
    assert_eq!(of(&[], &[("WALG_LIBSODIUM_KEY", "short")]), [("encryption-key-malformed", Severity::Error)]);
    assert_eq!(of(&[], &[("WALG_COMPRESSION_METHOD", "zstd")]), [], "WAL-G sees it by the files' names");
}

#[test]
fn a_clone_is_not_older_than_its_backups_and_in_the_same_cloud() {
    assert_eq!(
        with(&[("CLONE_WALG_AZ_PREFIX", "azure://backups/acid-orders/16")]),
        [("clone-older-than-source", Severity::Error)]
    );
    assert_eq!(with(&[("CLONE_WALG_AZ_PREFIX", "azure://backups/acid-orders/14")]), []);
    let mut case = Case::new();
    case.source = source();
    case.source.push(("AZURE_ENVIRONMENT_NAME", value("AzureChinaCloud")));
    assert_eq!(said(&case), [("clone-in-another-cloud", Severity::Error)]);
    let same = Case { ..case }.with("CLONE_AZURE_ENVIRONMENT_NAME", value("AzureChinaCloud"));
    assert_eq!(said(&same), []);
}

#[test]
fn what_nobody_reads_is_one_finding_and_what_is_somebody_elses_none() {
    let misspelt = Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY").with(
        "CLONE_AZURE_STORAGE_KEY",
        json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } }),
    );
    assert_eq!(said(&misspelt), [("variable-not-read", Severity::Error)]);
    let prefix = Case::new().without("WALG_AZ_PREFIX").with("WALG_AZURE_PREFIX", value("azure://backups/x"));
    assert_eq!(said(&prefix), [("variable-not-read", Severity::Error)]);
    let empty =
        Case::new().without("CLONE_WALG_AZ_PREFIX").with("clone_walg_az_prefix", value("azure://backups/x"));
    assert_eq!(said(&empty), [("variable-not-read", Severity::Error)]);
    assert_eq!(with(&[("WALG_TAR_SIZE_THRESHOLD", "1")]), [("variable-not-handed-on", Severity::Warning)]);
    assert_eq!(
        with(&[("AZURE_ENDPOINT_SUFFIX", "core.chinacloudapi.cn")]),
        [("variable-not-handed-on", Severity::Error)]
    );
    assert_eq!(with(&[("AZURE_ENDPOINT_SUFFIX", "core.windows.net")]), []);
    assert_eq!(with(&[("TZ", "UTC"), ("AZURE_SUBSCRIPTION_ID", "x"), ("STANDBY_WALG_AZ_PREFX", "x")]), []);
}

#[test]
fn identities_and_sas_tokens_are_read() {
    let sas = "sv=2023-11-03&sr=c&sp=rwdl&se=2036-01-01T00:00:00Z&spr=https&sig=abcdef";
    let token = |name: &'static str, text: String| {
        let bare = name
            .strip_prefix("CLONE_")
            .map_or("AZURE_STORAGE_ACCESS_KEY", |_| "CLONE_AZURE_STORAGE_ACCESS_KEY");
        let mut case = Case::new().without(bare);
        case.before = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: sas }}\nstringData: {{ sas: \"{text}\" }}\n---\n{}",
            case.before
        );
        let reference = json!({ "valueFrom": { "secretKeyRef": { "name": "sas", "key": "sas" } } });
        case.with(name, reference)
    };
    let own = |text: String| said(&token("AZURE_STORAGE_SAS_TOKEN", text));
    assert_eq!(own(sas.to_owned()), []);
    assert_eq!(own(format!("?{sas}")), []);
    assert_eq!(own(sas.replace("2036", "2026")), [("sas-token-expired", Severity::Error)]);
    assert_eq!(own(sas.replace("rwdl", "rl")), [("sas-token-refused", Severity::Error)]);
    assert_eq!(own(sas.replace("spr=https", "spr=http")), [("sas-token-refused", Severity::Error)]);
    assert_eq!(own(sas.replace("rwdl", "rwl")), [("sas-token-refused", Severity::Note)]);
    let mut clone = token("CLONE_AZURE_STORAGE_SAS_TOKEN", sas.replace("rwdl", "rl"));
    assert_eq!(said(&clone), []);
    clone = token("CLONE_AZURE_STORAGE_SAS_TOKEN", sas.replace("2036", "2026"));
    assert_eq!(said(&clone), [("sas-token-expired", Severity::Error)]);
    clone.there = There::Unknown;
    assert_eq!(said(&clone), [("sas-token-expired", Severity::Note)], "a clone needs it only once");
    let identity = Case::new().without("AZURE_STORAGE_ACCESS_KEY").with("AZURE_CLIENT_ID", value("id"));
    assert_eq!(said(&identity), [("identity-not-handed-on", Severity::Error)]);
    assert_eq!(with(&[("AZURE_CLIENT_ID", "id")]), [], "beside a key it is somebody else's");
}

#[test]
fn references_that_stay_as_they_are_are_told_with_the_reason() {
    let error = [("reference-stays-literal", Severity::Error)];
    assert_eq!(with(&[("WALG_AZ_PREFIX", "azure://$(BUCKET)/acid-clone")]), error);
    assert_eq!(with(&[("WALG_AZ_PREFIX", "azure://$(BUCKET)/acid-clone"), ("BUCKET", "backups")]), error);
    assert_eq!(with(&[("AZURE_STORAGE_ACCOUNT", "$(ACCOUNT)")]), error);
    assert_eq!(with(&[("NOTE", "$(WHATEVER)")]), []);
    let mut case = Case::new();
    case.before.insert_str(
        0,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\ndata: { prefix: \"azure://backups/$(SCOPE)\" }\n---\n",
    );
    let reference = json!({ "valueFrom": { "configMapKeyRef": { "name": "m", "key": "prefix" } } });
    assert_eq!(said(&case.with("WALG_AZ_PREFIX", reference)), error);
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

#[test]
fn secrets_that_are_made_in_the_cluster_have_keys_and_no_values() {
    let mut case = Case::new();
    case.before = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: keys }\nspec: { data: [{ secretKey: prod }, \
                   { secretKey: clone }] }\n---\n"
        .to_owned();
    assert_eq!(said(&case), []);
    case.before = case.before.replace("{ secretKey: clone }", "{ secretKey: other }");
    assert_eq!(said(&case), [("missing-secret-key", Severity::Warning)]);
}

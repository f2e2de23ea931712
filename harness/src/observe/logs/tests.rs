#![allow(clippy::unwrap_used)]

use super::*;
use crate::secret::Secret;

const KEY: &str = "cHJvZGJhY2t1cHMta2V5LW9mLXRlc3Q=";

const OPERATOR: &str = r#"time="2026-11-24T03:00:00Z" level=info msg="cluster has been created" cluster-name=drill-1/acid-orders pkg=controller
W1123 12:00:00.000000       1 warnings.go:70] v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice
W1123 12:00:01.000000       1 warnings.go:70] spec.template.spec.containers[0].env[31]: hides previous definition of "CLONE_AZURE_STORAGE_ACCOUNT", which may be dropped when using apply
time="2026-11-24T03:00:01Z" level=error msg="cannot figure out S3 or GS bucket or AZ storage account. All options are empty in the config." cluster-name=drill-1/acid-orders-clone pkg=cluster
time="2026-11-24T03:00:02Z" level=warning msg="could not connect to Postgres database: dial tcp 10.244.1.7:5432: connect: connection refused" cluster-name=drill-1/acid-orders pkg=cluster
"#;

const CLONE: &str = "2026-11-24 03:00:00,123 - bootstrapping - INFO - Figuring out my environment\n\
2026-11-24 03:00:01,123 INFO: trying to bootstrap a new cluster\n\
2026-11-24 03:00:01,223 INFO: Running custom bootstrap script: envdir /run/etc/wal-e.d/env-clone-acid-orders\n\
2026-11-24 03:00:02,123 ERROR: Clone failed\n\
Traceback (most recent call last):\n  File \"/scripts/clone_with_wale.py\", line 187, in main\n    run_clone_from_s3(options)\n\
Exception: Could not find any backups prior to the point in time 2026-11-24 02:59:00+00:00\n\
2026-11-24 03:00:02,323 INFO: removing initialize key after failed attempt to bootstrap the cluster\n\
ERROR: 2026/11/24 03:00:03.000001 Archive '00000002.history' does not exist.\n";

fn observe(operator: &str, clone: &str) -> LogObservation {
    let log = |pod: &str, container: &str, text: &str| ContainerLog {
        pod: pod.to_owned(),
        container: container.to_owned(),
        attempt: 0,
        text: text.to_owned(),
    };
    let logs = [
        log("postgres-operator-5d4f8b7c9-x2k4z", "postgres-operator", operator),
        log("acid-orders-clone-0", "postgres", clone),
    ];
    let owners = BTreeMap::from([
        ("postgres-operator-5d4f8b7c9-x2k4z".to_owned(), Owner::Operator),
        ("acid-orders-clone-0".to_owned(), Owner::Cluster("clone".to_owned())),
    ]);
    let redactor = Redactor::new().namespace("drill-1").account_key("prodbackups", &Secret::new(KEY));
    LogObservation::new(&logs, &owners, &redactor)
}

fn clone() -> Owner {
    Owner::Cluster("clone".to_owned())
}

fn names(known: &[&str]) -> Vec<String> {
    known.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_snapshot_is_a_set_of_templates_for_each_container() {
    insta::assert_snapshot!(observe(OPERATOR, CLONE).to_text());
}

#[test]
fn another_run_gives_the_same_text() {
    // Other times and addresses, lines repeated, and background that came or did not come.
    let again = |text: &str| {
        let later = text.replace("03:00:0", "04:11:1").replace("10.244.1.7", "10.244.3.9");
        format!(
            "{later}{later}2026-11-24 05:00:00 UTC [77]: [1-1] 6564.7b 0     FATAL:  the database system is starting up\n"
        )
    };
    assert_eq!(observe(&again(OPERATOR), &again(CLONE)).to_text(), observe(OPERATOR, CLONE).to_text());
}

#[test]
fn a_new_error_is_unknown_and_fails_and_changes_the_snapshot() {
    let new = format!(
        "{OPERATOR}time=\"2026-11-24T03:00:09Z\" level=error msg=\"could not grease wheel 10.244.1.7\" pkg=cluster\n"
    );
    let seen = observe(&new, CLONE);
    let unknown: Vec<_> = seen.unknown_errors().iter().map(|message| message.template.as_str()).collect();
    assert_eq!(unknown, ["could not grease wheel <ip>"]);
    let unexpected = seen.unexpected_errors(&Owner::Operator, &names(&["no-global-storage-account"]));
    assert_eq!(unexpected.len(), 1);
    assert!(unexpected[0].examples[0].contains("03:00:09"));
    assert_ne!(seen.to_text(), observe(OPERATOR, CLONE).to_text());
}

#[test]
fn a_known_error_must_be_expected_by_name() {
    let seen = observe(OPERATOR, CLONE);
    assert!(seen.unknown_errors().is_empty());
    assert_eq!(seen.unexpected_errors(&Owner::Operator, &[]).len(), 1);
    assert!(seen.unexpected_errors(&Owner::Operator, &names(&["no-global-storage-account"])).is_empty());
    let known = names(&["no-backup-before-target", "bootstrap-failed"]);
    assert!(seen.unexpected_errors(&clone(), &known).is_empty());
    assert_eq!(seen.unexpected_errors(&clone(), &known[..1]).len(), 1);
}

#[test]
fn known_messages_are_seen_by_name_with_their_lines() {
    let seen = observe(OPERATOR, CLONE);
    assert!(seen.seen("name-hides-previous"));
    assert!(seen.seen_by(&clone(), "no-backup-before-target"));
    assert!(!seen.seen_by(&Owner::Operator, "no-backup-before-target"));
    assert!(!seen.seen("storage-refuses-key"));
    assert!(seen.evidence("no-backup-before-target")[0].contains("02:59:00"));
}

#[test]
fn a_key_in_a_log_never_stands_in_the_observation() {
    let seen = observe(&format!("{OPERATOR}time=\"x\" level=error msg=\"key {KEY} is wrong\"\n"), CLONE);
    assert!(!format!("{seen:?}").contains(KEY));
    assert!(seen.unknown_errors()[0].template.contains("<key of prodbackups>"));
}

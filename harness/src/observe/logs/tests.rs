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
        uid: String::new(),
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

fn first_error(container: &str, text: &str) -> Option<(Option<&'static str>, bool)> {
    let pod = if container == "postgres-operator" {
        "postgres-operator-5d4f8b7c9-x2k4z"
    } else {
        "acid-orders-clone-0"
    };
    let log = ContainerLog {
        pod: pod.to_owned(),
        uid: String::new(),
        container: container.to_owned(),
        attempt: 0,
        text: text.to_owned(),
    };
    let seen = LogObservation::new(&[log], &BTreeMap::new(), &Redactor::new());
    let error = seen.messages().iter().find(|message| message.level == Level::Error)?;
    let owner = error.owner.clone();
    Some((error.entry.map(|entry| entry.name), !seen.unexpected_errors(&owner, &[]).is_empty()))
}

#[test]
fn messages_of_the_shipped_scenarios_are_recognised() {
    for (container, text, name) in [
        (
            "postgres-operator",
            "time=\"x\" level=error msg=\"cannot figure out S3 or GS bucket or AZ storage account. All options are empty in the config.\" pkg=cluster",
            "no-global-storage-account",
        ),
        (
            "postgres",
            "2026-11-24 03:00:02,123 ERROR: Clone failed\nException: Could not find any backups prior to the point in time 2026-11-24 03:00:00+00:00\n",
            "no-backup-before-target",
        ),
        (
            "postgres",
            "2026-11-24 03:00:02,123 ERROR: Clone failed\nException: Could not find any backups\n",
            "no-backup-found",
        ),
        (
            "postgres",
            "2026-11-24 03:00:02,123 ERROR: Clone failed\nsubprocess.CalledProcessError: Command '['wal-g', 'backup-list']' returned non-zero exit status 1.\n",
            "backup-list-fails",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:41:46.346261 Azure error : AZURE_STORAGE_ACCOUNT setting is not set: Credential error",
            "no-storage-account",
        ),
        (
            "postgres-operator",
            "time=\"x\" level=error msg=\"could not generate pod environment variables: could not read PodEnvironmentConfigMap: configmaps \\\"backup-settings\\\" not found\" pkg=cluster",
            "pod-environment-missing",
        ),
        ("postgres", "ERROR: 2026/11/24 03:41:46.093214 No backups found", "no-backup-to-fetch"),
        (
            "postgres",
            "ERROR: 2026/11/24 03:41:46.346261 Azure error : AZURE_STORAGE_ACCESS_KEY setting is not set: Credential error",
            "no-storage-credential",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:41:46.042339 Azure error : Unable to download blob spilo/x/wal/wal_005/000000010000000000000001.lz4.: 403 Server failed to authenticate the request. Make sure the value of the Authorization header is formed correctly including the signature.",
            "storage-refuses-key",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:41:46.167074 upload: could not Upload '/pg_wal/000000010000000000000009'\n: Azure error : Unable to upload blob 000000010000000000000009.lz4: write error: ===== RESPONSE ERROR (ErrorCode=",
            "storage-refuses-upload",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:41:46.167074 failed to list\n===== RESPONSE ERROR (ServiceCode=AuthenticationFailed) =====",
            "storage-refuses-key",
        ),
        (
            "postgres",
            "2026-11-24 03:00:02,123 ERROR: Clone failed\nException: Found find 0 WALE_*_PREFIX environment variables, expected 1\n",
            "no-wale-prefix",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:00:00 dial tcp: lookup prodbackups.blob.core.windows.net on 10.244.0.1:53: no such host",
            "storage-account-unknown",
        ),
        (
            "postgres-server",
            "2026-11-24 03:00:00.123 UTC [7]: FATAL:  recovery ended before configured recovery target was reached",
            "recovery-ended-before-target",
        ),
        (
            "postgres",
            "Traceback (most recent call last):\n  File \"x\"\npatroni.exceptions.PatroniFatalException: Failed to bootstrap cluster\n",
            "bootstrap-failed",
        ),
        (
            "postgres-server",
            "2026-11-24 03:00:00.123 UTC [7]: LOG:  archive command failed with exit code 1",
            "archive-command-failed",
        ),
    ] {
        assert_eq!(first_error(container, text), Some((Some(name), true)), "{text}");
    }
}

/// What an auditor got past the catalogue: each is an error by its writer's word, and looks like something harmless.
#[test]
fn an_error_is_not_excused_by_a_word_in_it() {
    for (container, text) in [
        (
            "postgres-operator",
            "time=\"x\" level=error msg=\"could not sync roles: could not init db connection: x509: certificate has expired\" pkg=cluster",
        ),
        (
            "postgres-operator",
            "time=\"x\" level=error msg=\"could not create secret: secrets \\\"x\\\" already exists\" pkg=cluster",
        ),
        (
            "postgres",
            "ERROR: 2026/11/24 03:00:00 Get https://prod.blob.core.windows.net/: dial tcp 20.60.1.1:443: connect: connection refused",
        ),
        ("postgres", "ERROR: 2026/11/24 03:00:00 WAL-prefetch failed: unexpected EOF"),
        (
            "postgres-server",
            "2026-11-24 03:00:00.123 UTC [7]: FATAL:  no pg_hba.conf entry for replication connection from host \"10.244.1.7\"",
        ),
        (
            "postgres",
            "2026-11-24 03:00:02,123 ERROR: Clone failed\nTraceback (most recent call last):\n  File \"x\", in no_backups\n    raise Exception('Could not find any backups')\nPermissionError: /home/postgres\n",
        ),
        ("postgres", "2026-11-24 03:00:02,123 ERROR: Clone failed\n2026-11-24 03:00:03,123 INFO: next\n"),
        ("postgres", "envdir: fatal: unable to switch to directory /x: file does not exist"),
        ("postgres", "sh: 1: wal-g: not found"),
    ] {
        assert_eq!(first_error(container, text), Some((None, true)), "{text}");
    }
}

#[test]
fn an_exception_that_nobody_knows_is_unknown_whatever_failed() {
    let other = CLONE.replace("03:00:02", "03:00:09").replace(
        "Exception: Could not find any backups prior to the point in time 2026-11-24 02:59:00+00:00",
        "OSError: [Errno 28] No space left on device",
    );
    // The second attempt fails for another reason.
    let seen = observe(OPERATOR, &format!("{CLONE}{other}"));
    let unexpected =
        seen.unexpected_errors(&clone(), &names(&["no-backup-before-target", "bootstrap-failed"]));
    let templates: Vec<_> = unexpected.iter().map(|message| message.template.as_str()).collect();
    assert_eq!(templates, ["Clone failed: OSError: [Errno 28] No space left on device"]);
}

#[test]
fn statements_that_quote_an_error_are_none() {
    let quoting = "2026-11-24 03:00:00.123 UTC [7]: LOG:  statement: SELECT 'recovery ended before configured recovery target was reached'";
    assert_eq!(first_error("postgres-server", quoting), None);
    assert_eq!(first_error("postgres", "INFO: 2026/11/24 03:41:10.259430 No backups found"), None);
}

#[test]
fn what_is_still_being_written_is_pending() {
    let waits =
        "2026-11-24 03:00:02,323 ERROR: failed to update leader lock\n2026-11-24 03:00:02,400 INFO: x\n";
    assert_eq!(observe(OPERATOR, waits).pending(), ["failed to update leader lock"]);
    assert_eq!(
        observe(OPERATOR, "2026-11-24 03:00:02,323 INFO: cut o").pending(),
        ["a message that is being written"]
    );
    assert!(observe(OPERATOR, CLONE).pending().is_empty());
    // Of a pod that was deleted nothing more is to come.
    let mut deleted = observe(OPERATOR, waits);
    deleted.ended(|pod| pod == "acid-orders-clone-0");
    assert!(deleted.pending().is_empty());
    assert!(deleted.unexpected_errors(&clone(), &[]).is_empty());
}

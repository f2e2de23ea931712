//! What a scenario expects of its clusters: each check with a case that holds and one that does not.

use super::*;

#[test]
fn outcome() {
    assert_eq!(said(&sound(), running(json!({}))), []);
    let found = judge(&sound(), json!({ "clone": { "outcome": "empty" } }));
    assert_eq!(found[0].subject, "clone: outcome");
    assert_eq!(
        (found[0].expected.as_str(), found[0].seen.as_str()),
        ("empty", "running: restored from source")
    );
    assert_eq!(found[0].evidence, ["recovery stopping before commit"]);
}

#[test]
fn a_cluster_that_was_never_created_has_no_outcome() {
    assert_eq!(
        said(&sound(), json!({ "other": { "outcome": "running" } })),
        says("other: outcome", "running", "nothing that tells what became of it")
    );
}

#[test]
fn a_cluster_that_stopped_after_it_ran_is_no_running_one() {
    let observed = with_clone(|clone| clone.stopped = Some("leader clone-0 is not ready".to_owned()));
    let seen = "running at first, and at the end of the drill it did not run: leader clone-0 is not ready";
    assert_eq!(said(&observed, running(json!({}))), says("clone: outcome", "running", seen));
}

#[test]
fn a_cluster_of_which_nothing_is_expected_should_run() {
    let observed = with_clone(|clone| clone.outcome = became(ClusterOutcome::Empty, "of its own", &[]));
    assert_eq!(
        said(&observed, json!({ "source": { "outcome": "running" } })),
        says("clone: outcome", "running", "empty: of its own")
    );
}

#[test]
fn because_is_found_in_the_evidence_or_in_the_log() {
    let (observed, expect) = failing("no-backup-before-target", &[NO_BACKUP.trim_end()]);
    assert_eq!(said(&observed, expect), []);
    let (mut observed, expect) = failing("no-backup-before-target", &[]);
    observed.logs = logs_with(&[("clone-0", "postgres", NO_BACKUP)]);
    assert_eq!(said(&observed, expect), []);
}

#[test]
fn because_is_not_what_another_one_said() {
    let (mut observed, expect) = failing("no-backup-before-target", &["ERROR: x"]);
    let found = judge(&observed, expect.clone());
    assert_eq!(found[0].subject, "clone: reason");
    assert!(found[0].expected.starts_with("no-backup-before-target ("), "{}", found[0].expected);
    assert_eq!(found[0].seen, "no line of its log says so");
    assert_eq!(found[0].evidence, ["ERROR: x"]);
    for pod in ["source-0", "operator"] {
        observed.logs = logs_with(&[(pod, "postgres", NO_BACKUP)]);
        assert!(
            judge(&observed, expect.clone()).iter().any(|found| found.subject == "clone: reason"),
            "{pod}"
        );
    }
}

#[test]
fn a_lost_account_or_container_goes_before_what_the_log_says() {
    for (code, name) in
        [("AccountNotFound", "storage-account-unknown"), ("ContainerNotFound", "storage-container-missing")]
    {
        let mut request = access(of("clone"), "prodbackups", Operation::ListBlobs, "source/15/", 404);
        request.error_code = Some(code.to_owned());
        let (mut observed, expect) = failing(name, &[NO_BACKUP.trim_end()]);
        observed.storage = storage(vec![request.clone()]);
        assert_eq!(said(&observed, expect), []);
        let (mut observed, expect) = failing("no-backup-before-target", &[NO_BACKUP.trim_end()]);
        observed.storage = storage(vec![request]);
        let found = judge(&observed, expect);
        assert_eq!(found[0].subject, "clone: storage");
        assert_eq!(found[1].seen, format!("{name}: the storage itself refused"));
    }
}

#[test]
fn a_certificate_that_was_not_trusted_goes_before_what_the_log_says() {
    let untrusted = || {
        let mut connection = access(of("clone"), "prodbackups", Operation::Connect, "", 0);
        (connection.status, connection.container, connection.blob) = (None, None, None);
        connection.error_code = Some("CertificateRefused".to_owned());
        storage(vec![connection])
    };
    let name = "storage-certificate-untrusted";
    let (mut observed, expect) = failing(name, &[NO_BACKUP.trim_end()]);
    // WAL-G 1.1 says only that there are none.
    assert_ne!(said(&observed, expect.clone()), []);
    observed.storage = untrusted();
    assert_eq!(said(&observed, expect), []);
    let (mut observed, expect) = failing("no-backup-before-target", &[NO_BACKUP.trim_end()]);
    observed.storage = untrusted();
    let found = judge(&observed, expect);
    let seen = &found[0].seen;
    assert!(seen.starts_with("the account prodbackups was not trusted at its only request: WAL-G"), "{seen}");
    assert_eq!(found[0].evidence, ["connect to prodbackups: CertificateRefused (1 times)"]);
    assert!(found[1].seen.starts_with(name), "{}", found[1].seen);
}

#[test]
fn a_cluster_without_a_log_says_why_in_its_evidence() {
    let missing = r#"CreateContainerConfigError: secret "backup-keys" not found"#;
    let expect = |because: &str| json!({ "clone": { "outcome": "cannot-start", "because": because } });
    let mut observed = with_clone(|clone| {
        clone.outcome = became(ClusterOutcome::CannotStart, "its container cannot be made", &[missing]);
    });
    observed.logs = logs(&[
        ("operator", "postgres-operator", QUIET),
        ("source-0", "postgres", QUIET),
        ("source-0", "postgres-server", QUIET),
    ]);
    assert_eq!(said(&observed, expect("secret-missing")), []);
    let found = judge(&observed, expect("secret-key-missing"));
    assert_eq!((found[0].subject.as_str(), found[0].evidence[0].as_str()), ("clone: reason", missing));
    // It is a reason that was seen, so it tells another one apart.
    let alternative = json!({ "outcome": "cannot-start", "because": "secret-key-missing" });
    assert!(told_apart(&observed, alternative).unwrap().starts_with("clone: reason: not secret-key-missing"));
}

#[test]
fn a_refusal_by_the_storage_goes_before_what_the_log_says() {
    let refused =
        || storage(vec![access(of("clone"), "prodbackups", Operation::ListBlobs, "source/15/", 403)]);
    let (mut observed, expect) = failing("storage-refuses-key", &[NO_BACKUP.trim_end()]);
    observed.storage = refused();
    assert_eq!(said(&observed, expect), []);
    let (mut observed, expect) = failing("no-backup-before-target", &[NO_BACKUP.trim_end()]);
    observed.storage = refused();
    let found = judge(&observed, expect);
    assert_eq!((found[0].subject.as_str(), found[1].subject.as_str()), ("clone: storage", "clone: reason"));
    assert_eq!(found[1].seen, "storage-refuses-key: the storage itself refused");
    assert_eq!(found[1].evidence, ["list blobs in prodbackups: 403 AuthenticationFailed"]);
}

/// A clone that should run, whose key is another account's: as WAL-G 1.1, Spilo and Patroni tell of it.
fn with_swapped_key() -> Observed {
    let env = EnvObservation::new(&EnvInputs {
        template_env: vec![
            json!({ "name": "AZURE_STORAGE_ACCOUNT", "value": "clonebackups" }),
            json!({ "name": "AZURE_STORAGE_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": "backup-keys", "key": "own" } } }),
            json!({ "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "prodbackups" }),
            json!({ "name": "CLONE_AZURE_STORAGE_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": "backup-keys", "key": "clone" } } }),
        ],
        ..EnvInputs::default()
    });
    let mut observed = with_clone(|clone| {
        let evidence = [NO_BACKUP.trim_end()];
        clone.outcome = became(ClusterOutcome::BootstrapFails, "its bootstrap failed 2 times", &evidence);
        (clone.data, clone.env) = (None, Some(env));
    });
    observed.storage = storage(vec![
        access(of("source"), "prodbackups", Operation::WriteBlob, "source/15/base", 201),
        access(of("clone"), "prodbackups", Operation::ListBlobs, "source/15/", 403),
        access(of("clone"), "prodbackups", Operation::ListBlobs, "source/15/", 403),
    ]);
    let traceback = "2026-11-24 03:00:00,123 ERROR: Exception during execution of long running task bootstrap\n\
                     Traceback (most recent call last):\n  File \"/scripts/clone_with_wale.py\", line 12, in main\n\
                     Exception: Could not find any backups prior to the point in time 2026-11-24 03:00:00+00:00\n";
    observed.logs = logs_with(&[("clone-0", "postgres", NO_BACKUP), ("clone-0", "postgres", traceback)]);
    observed
}

#[test]
fn what_the_storage_refused_is_the_first_finding_and_nothing_repeats_it() {
    let observed = with_swapped_key();
    let found = judge(&observed, running(json!({ "data": { "equals": "mark" } })));
    let subjects: Vec<&str> = found.iter().map(|found| found.subject.as_str()).collect();
    assert_eq!(subjects, ["clone: storage", "clone: outcome", "clone: data"], "{found:#?}");
    let seen = &found[0].seen;
    for words in [
        "the account prodbackups refused all 2 requests",
        "CLONE_AZURE_STORAGE_ACCESS_KEY",
        "Secret backup-keys, key clone",
    ] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    assert!(!seen.contains("key own"), "{seen}");
    assert_eq!(found[0].evidence, ["list blobs in prodbackups: 403 AuthenticationFailed (2 times)"]);
    let expect = serde_json::from_value(running(json!({}))).unwrap();
    let summaries = observed.summaries(&expect).unwrap();
    let clone = summaries.iter().find(|summary| summary.cluster == "clone").unwrap();
    assert_eq!(
        (clone.reads.as_slice(), clone.refused.as_slice()),
        (&[][..], &["prodbackups".to_owned()][..])
    );
}

#[test]
fn what_was_expected_to_be_refused_is_no_finding() {
    let observed = with_swapped_key();
    let known = json!({ "known": ["no-backup-before-target"] });
    let mut expect =
        json!({ "clone": { "outcome": "bootstrap-fails", "because": "storage-refuses-key", "logs": known } });
    let found = judge(&observed, expect.clone());
    assert!(found.iter().all(|found| found.subject != "clone: storage"), "{found:#?}");
    // Something else that is not as expected is not explained by it.
    expect["clone"]["writes"] = json!(["clonebackups"]);
    let found = judge(&observed, expect);
    assert_eq!(found[0].subject, "clone: writes", "{found:#?}");
}

#[test]
fn an_account_that_refused_some_requests_has_been_read() {
    let mut observed = sound();
    let mut accesses = observed.storage.accesses().to_vec();
    accesses.push(access(of("clone"), "prodbackups", Operation::ReadBlob, "source/15/base", 403));
    observed.storage = storage(accesses);
    assert_eq!(said(&observed, running(json!({}))), [], "it came up all the same");
    let found = judge(&observed, running(json!({ "writes": ["prodbackups"] })));
    assert!(found[0].seen.starts_with("the account prodbackups refused 1 of 3 requests"), "{found:#?}");
    let summaries = observed.summaries(&serde_json::from_value(running(json!({}))).unwrap()).unwrap();
    assert_eq!(summaries[0].reads, ["prodbackups"]);
    assert!(summaries[0].refused.is_empty());
}

#[test]
fn only_a_refusal_to_this_cluster_is_its_reason() {
    let (mut observed, expect) = failing("storage-refuses-key", &[]);
    observed.storage = storage(vec![
        access(of("source"), "prodbackups", Operation::ListBlobs, "source/15/", 403),
        access(of("clone"), "prodbackups", Operation::ReadBlob, "source/15/base", 404),
    ]);
    let found = judge(&observed, expect);
    let subjects: Vec<&str> = found.iter().map(|found| found.subject.as_str()).collect();
    assert_eq!(subjects[..2], ["source: storage", "clone: reason"], "{found:#?}");
    assert_eq!(found[1].seen, "no line of its log says so");
}

#[test]
fn reads() {
    let expect = |accounts: &[&str]| running(json!({ "reads": accounts }));
    assert_eq!(said(&sound(), expect(&["prodbackups"])), []);
    assert_eq!(said(&sound(), expect(&[])), says("clone: reads", "no storage account", "prodbackups"));
    assert_eq!(
        said(&sound(), expect(&["prodbackups", "clonebackups"])),
        says("clone: reads", "clonebackups, prodbackups", "prodbackups")
    );
}

#[test]
fn what_another_one_wrote_into_a_clusters_own_place_is_read() {
    let mut observed = sound();
    observed.storage = storage(vec![
        access(of("source"), "clonebackups", Operation::WriteBlob, "clone/15/old", 201),
        access(of("clone"), "clonebackups", Operation::ReadBlob, "clone/15/old", 200),
    ]);
    let expect = running(json!({ "reads": [] }));
    assert_eq!(said(&observed, expect), says("clone: reads", "no storage account", "clonebackups"));
}

#[test]
fn writes() {
    let expect = |accounts: &[&str]| running(json!({ "writes": accounts }));
    assert_eq!(said(&sound(), expect(&["clonebackups"])), []);
    assert_eq!(
        said(&sound(), expect(&["prodbackups"])),
        says("clone: writes", "prodbackups", "clonebackups")
    );
    assert_eq!(said(&sound(), expect(&[])), says("clone: writes", "no storage account", "clonebackups"));
}

#[test]
fn writes_into_archives_of() {
    let expect = |clusters: &[&str]| json!({ "source": { "outcome": "running", "writes-into-archives-of": clusters } });
    let subject = "source: writes into archives of";
    assert_eq!(said(&sound(), expect(&[])), []);
    assert_eq!(said(&sound(), expect(&["clone"])), says(subject, "clone", "no other cluster"));
    for (operation, account, name, status, found) in [
        (Operation::DeleteBlob, "clonebackups", "clone/15/base", 202, true),
        (Operation::WriteBlob, "clonebackups", "clone/15/base", 403, false),
        (Operation::ReadBlob, "clonebackups", "clone/15/base", 200, false),
        (Operation::WriteBlob, "clonebackups", "clone/155/base", 201, false),
        (Operation::WriteBlob, "prodbackups", "clone/15/base", 201, false),
    ] {
        let mut observed = sound();
        let mut accesses = observed.storage.accesses().to_vec();
        accesses.push(access(of("source"), account, operation, name, status));
        observed.storage = storage(accesses);
        let wanted = if found { says(subject, "no other cluster", "clone") } else { vec![] };
        assert_eq!(said(&observed, expect(&[])), wanted, "{operation:?} {account} {name} {status}");
    }
}

fn env(name: &str, expected: Value) -> Value {
    running(json!({ "env": { name: expected } }))
}

#[test]
fn env_value() {
    let expect = |value: &str| env("ACCOUNT", json!({ "value": value }));
    assert_eq!(said(&sound(), expect("${storage.clonebackups.name}")), []);
    let found = judge(&sound(), expect("prodbackups"));
    assert_eq!(found[0].subject, "clone: env ACCOUNT");
    assert_eq!(
        (found[0].expected.as_str(), found[0].seen.as_str()),
        ("value `prodbackups`", "value `clonebackups`")
    );
    let missing = env("OTHER", json!({ "value": "x" }));
    assert_eq!(said(&sound(), missing), says("clone: env OTHER", "value `x`", "value (absent)"));
}

#[test]
fn env_absent() {
    assert_eq!(said(&sound(), env("OTHER", json!({ "absent": true }))), []);
    assert_eq!(
        said(&sound(), env("ACCOUNT", json!({ "absent": true }))),
        says("clone: env ACCOUNT", "value (absent)", "value `clonebackups`")
    );
}

#[test]
fn env_listed() {
    assert_eq!(said(&sound(), env("ACCOUNT", json!({ "listed": 2 }))), []);
    assert_eq!(
        said(&sound(), env("ACCOUNT", json!({ "listed": 1 }))),
        says("clone: env ACCOUNT", "listed times: 1", "listed times: 2")
    );
}

#[test]
fn env_written() {
    let referring = EnvObservation::new(&EnvInputs {
        template_env: vec![
            json!({ "name": "KEY", "value": "first" }),
            json!({ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } }),
            json!({ "name": "ACCOUNT", "value": "clonebackups" }),
        ],
        ..EnvInputs::default()
    });
    let observed = with_clone(|clone| clone.env = Some(referring));
    assert_eq!(said(&observed, env("ACCOUNT", json!({ "written": "plain-text" }))), []);
    assert_eq!(said(&observed, env("KEY", json!({ "written": "reference" }))), []);
    assert_eq!(
        said(&observed, env("KEY", json!({ "written": "plain-text" }))),
        says("clone: env KEY", "written as plain-text", "written as reference")
    );
    assert_eq!(
        said(&observed, env("OTHER", json!({ "written": "reference" }))),
        says("clone: env OTHER", "written as reference", "written as nowhere")
    );
}

#[test]
fn env_from() {
    assert_eq!(said(&sound(), env("ACCOUNT", json!({ "from": "spec-env" }))), []);
    assert_eq!(
        said(&sound(), env("ACCOUNT", json!({ "from": "operator" }))),
        says("clone: env ACCOUNT", "from operator", "from spec-env")
    );
    assert_eq!(
        said(&sound(), env("OTHER", json!({ "from": "spec-env" }))),
        says("clone: env OTHER", "from spec-env", "from nowhere")
    );
}

#[test]
fn a_secret_is_expected_by_its_value_and_tells_apart_only_by_another() {
    let observed = with_clone(|clone| clone.env = Some(environment(&[("SAS_TOKEN", "sig-of-the-scenario")])));
    assert_eq!(said(&observed, env("SAS_TOKEN", json!({ "value": "sig-of-the-scenario" }))), []);
    let alternative =
        |value: &str| json!({ "outcome": "running", "env": { "SAS_TOKEN": { "value": value } } });
    assert_eq!(told_apart(&observed, alternative("sig-of-the-scenario")), None);
    assert!(told_apart(&observed, alternative("another-signature")).is_some());
}

#[test]
fn no_variable_of_an_env_that_is_not_known_is_absent() {
    let unknown = with_clone(|clone| clone.env = None);
    let seen = "env not known: the operator made no pod template";
    assert_eq!(
        said(&unknown, env("OTHER", json!({ "absent": true }))),
        says("clone: env OTHER", "env to be known", seen)
    );
    let not_running = with_clone(|clone| clone.env = Some(environment(&[])));
    let seen = "value not known: the container did not run when it was asked";
    for (expected, wanted) in
        [(json!({ "absent": true }), "value (absent)"), (json!({ "value": "x" }), "value `x`")]
    {
        assert_eq!(said(&not_running, env("OTHER", expected)), says("clone: env OTHER", wanted, seen));
    }
    // The pod template is known all the same.
    assert_eq!(said(&not_running, env("ACCOUNT", json!({ "listed": 2, "from": "spec-env" }))), []);
}

#[test]
fn an_alternative_is_told_apart_by_what_was_seen() {
    let line = told_apart(&sound(), json!({ "outcome": "empty" })).unwrap();
    assert_eq!(line, "clone: outcome: not empty, but running: restored from source");
    assert_eq!(told_apart(&sound(), json!({ "outcome": "running", "data": { "equals": "mark" } })), None);
    let line = told_apart(&sound(), json!({ "outcome": "running", "data": { "equals": "source" } })).unwrap();
    assert_eq!(
        line,
        "clone: data: not equal to source, but 1 differences: orders.public.orders: 3 rows, expected 4"
    );
}

#[test]
fn what_was_not_seen_tells_nothing_apart() {
    let gone = with_clone(|clone| (clone.data, clone.env) = (None, None));
    assert_eq!(told_apart(&gone, json!({ "outcome": "running", "data": { "equals": "source" } })), None);
    let with_env = json!({ "outcome": "running", "env": { "ACCOUNT": { "value": "prodbackups" } } });
    assert_eq!(told_apart(&gone, with_env.clone()), None);
    assert!(told_apart(&sound(), with_env).is_some());
    let nothing = with_clone(|clone| clone.outcome = None);
    assert_eq!(told_apart(&nothing, json!({ "outcome": "empty" })), None);
}

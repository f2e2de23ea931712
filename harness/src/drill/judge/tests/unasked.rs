//! What fails a drill without being asked for.

use super::*;

fn sources() -> Value {
    json!({ "source": { "outcome": "running" }, "clone": { "outcome": "running" } })
}

fn operator(known: &[&str]) -> Value {
    json!({ "operator": { "logs": { "known": known } } })
}

fn with_logs(more: &[(&str, &str, &str)]) -> Observed {
    Observed { logs: logs_with(more), ..sound() }
}

const UNKNOWN: &str = "an error that is not in the catalogue (1 times)";
const NO_ERROR: &str = "only the errors that the scenario lists under `logs.known`";

#[test]
fn an_unknown_error_fails_whoever_logs_it() {
    assert_eq!(said(&sound(), sources()), []);
    for (pod, container, text, subject) in [
        ("operator", "postgres-operator", BROKEN_WHEEL, "operator: logs"),
        ("clone-0", "postgres-server", SERVER_ERROR, "cluster clone: logs"),
        ("stranger", "main", SERVER_ERROR, "pod stranger: logs"),
    ] {
        let found = judge(&with_logs(&[(pod, container, text)]), sources());
        let said: Vec<_> = found.iter().map(|found| (found.subject.as_str(), found.seen.as_str())).collect();
        assert_eq!(said, [(subject, UNKNOWN)]);
        assert_eq!(found[0].expected, NO_ERROR);
        assert_eq!(found[0].evidence, [text.trim_end()]);
    }
}

#[test]
fn an_error_of_a_cluster_that_the_scenario_does_not_name_fails_too() {
    let observed = with_logs(&[("source-0", "postgres-server", SERVER_ERROR)]);
    assert_eq!(said(&observed, running(json!({}))), says("cluster source: logs", NO_ERROR, UNKNOWN));
}

#[test]
fn a_known_error_must_be_expected_of_the_one_that_logs_it() {
    let observed = with_logs(&[("operator", "postgres-operator", NO_GLOBAL)]);
    assert_eq!(said(&observed, operator(&["no-global-storage-account"])), []);
    let found = judge(&observed, operator(&[]));
    assert_eq!((found[0].subject.as_str(), found[0].expected.as_str()), ("operator: logs", NO_ERROR));
    assert!(found[0].seen.starts_with("no-global-storage-account (1 times): "), "{}", found[0].seen);
    assert!(!found[0].help.is_empty());
    let of_clone = running(json!({ "logs": { "known": ["no-global-storage-account"] } }));
    assert_eq!(judge(&observed, of_clone).len(), 2);
}

#[test]
fn a_known_error_that_is_expected_must_be_seen() {
    let wanted = "the known message no-global-storage-account";
    let seen = "it was not logged";
    assert_eq!(
        said(&sound(), operator(&["no-global-storage-account"])),
        says("operator: logs", wanted, seen)
    );
    let of_clone = running(json!({ "logs": { "known": ["no-global-storage-account"] } }));
    assert_eq!(said(&sound(), of_clone), says("cluster clone: logs", wanted, seen));
}

#[test]
fn the_errors_that_an_outcome_implies_need_no_naming() {
    let failed = "2026-11-24 03:00:02,323 INFO: removing initialize key after failed attempt to bootstrap the cluster\n";
    let (mut observed, expect) = failing("no-backup-before-target", &[]);
    observed.logs = logs_with(&[("clone-0", "postgres", failed), ("clone-0", "postgres", NO_BACKUP)]);
    assert_eq!(said(&observed, expect), []);
    let missed = "2026-11-24 03:00:00.123 UTC [7]: FATAL:  recovery ended before configured recovery target was reached\n";
    let outcome = |kind| with_clone(|clone| clone.outcome = became(kind, "", &[]));
    let logged = || logs_with(&[("clone-0", "postgres-server", missed)]);
    let observed = Observed { logs: logged(), ..outcome(ClusterOutcome::TargetNotReached) };
    assert_eq!(said(&observed, json!({ "clone": { "outcome": "target-not-reached" } })), []);
    let observed = Observed { logs: logged(), ..outcome(ClusterOutcome::Running) };
    assert_eq!(judge(&observed, running(json!({}))).len(), 1);
}

#[test]
fn a_trouble_that_should_pass_and_does_not_fails() {
    let waits = "2026-11-24 03:00:02,323 ERROR: failed to update leader lock\n";
    let on = "2026-11-24 03:00:03,323 INFO: no action. I am (clone-0), the leader with the lock\n";
    let passed = format!("{waits}{on}");
    assert_eq!(said(&with_logs(&[("clone-0", "postgres", &passed)]), sources()), []);
    let lasts = format!("{waits}{on}{waits}");
    let found = judge(&with_logs(&[("clone-0", "postgres", &lasts)]), sources());
    assert_eq!(found.len(), 1);
    assert!(found[0].seen.starts_with("patroni-waits (2 times), and no later line"), "{}", found[0].seen);
}

#[test]
fn a_log_that_is_not_there_has_no_errors_and_fails() {
    let all = [
        ("operator", "postgres-operator", QUIET),
        ("source-0", "postgres", QUIET),
        ("source-0", "postgres-server", QUIET),
        ("clone-0", "postgres", QUIET),
        ("clone-0", "postgres-server", QUIET),
    ];
    let seen = "not a line of a known form, so that nothing is known of its errors";
    for (missing, subject, expected) in [
        (0, "operator: logs", "a log"),
        (1, "cluster source: logs", "a log of its container postgres"),
        (4, "cluster clone: logs", "a log of its container postgres-server"),
    ] {
        let mut some = all.to_vec();
        some.remove(missing);
        let observed = Observed { logs: logs(&some), ..sound() };
        assert_eq!(said(&observed, sources()), says(subject, expected, seen));
        for nothing in ["\n", "ein Protokoll in fremder Form\n"] {
            let mut some = some.clone();
            some.push((all[missing].0, all[missing].1, nothing));
            let observed = Observed { logs: logs(&some), ..sound() };
            assert_eq!(said(&observed, sources()), says(subject, expected, seen));
        }
    }
}

#[test]
fn a_server_that_never_came_up_has_no_log_to_miss() {
    let (mut observed, expect) = failing("no-backup-before-target", &[NO_BACKUP.trim_end()]);
    observed.logs = logs(&[
        ("operator", "postgres-operator", QUIET),
        ("source-0", "postgres", QUIET),
        ("source-0", "postgres-server", QUIET),
        ("clone-0", "postgres", QUIET),
    ]);
    assert_eq!(said(&observed, expect), []);
}

#[test]
fn requests_of_nobody_known_make_no_list_of_accounts_exact() {
    let mut observed = sound();
    let mut accesses = observed.storage.accesses().to_vec();
    accesses.push(access(Who::Unknown, "prodbackups", Operation::WriteBlob, "source/15/x", 201));
    observed.storage = storage(accesses);
    assert_eq!(said(&observed, sources()), []);
    let found = judge(&observed, running(json!({ "writes": ["clonebackups"] })));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "storage");
    assert!(found[0].expected.starts_with("every request to be of a cluster of this drill"));
    assert_eq!(found[0].seen, "1 requests by addresses of no known cluster");
    assert_eq!(found[0].evidence, ["write a blob in prodbackups by 10.244.1.7"]);
}

#[test]
fn each_pod_must_be_heard() {
    let mut observed = with_logs(&[("clone-1", "postgres", QUIET)]);
    observed.clusters.get_mut("clone").unwrap().pods = vec!["clone-0".to_owned(), "clone-1".to_owned()];
    let found = judge(&observed, sources());
    let expected: Vec<_> = found.iter().map(|found| found.expected.as_str()).collect();
    let of_pod = |container| format!("a log of container {container} of its pod clone-1");
    // The pod's owner is not known in these tests, so neither of its logs counts as the clone's.
    assert_eq!(expected, [of_pod("postgres"), of_pod("postgres-server")]);
}

#[test]
fn a_cluster_that_archives_and_has_no_backup_fails() {
    let observed = with_clone(|clone| clone.without_backup = true);
    let found = judge(&observed, sources());
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].subject.as_str(), found[0].seen.as_str()),
        ("clone: backups", "none was complete at the end of the drill")
    );
    let own = |writes: Value| json!({ "clone": { "outcome": "running", "writes": writes }, "source": { "outcome": "running" } });
    assert!(judge(&observed, own(json!([]))).iter().all(|found| found.subject != "clone: backups"));
    assert_eq!(judge(&observed, own(json!(["clonebackups"]))).len(), 1);
}

#[test]
fn that_there_is_no_backup_may_be_expected_and_must_be_so_then() {
    let expected = |backups: &str| json!({ "clone": { "outcome": "running", "backups": backups }, "source": { "outcome": "running" } });
    let without = with_clone(|clone| clone.without_backup = true);
    assert_eq!(judge(&without, expected("none")).len(), 0);
    assert_eq!(judge(&without, expected("complete")).len(), 1);
    let with = with_clone(|_| {});
    assert_eq!(judge(&with, expected("complete")).len(), 0);
    let found = judge(&with, expected("none"));
    assert_eq!((found.len(), found[0].seen.as_str()), (1, "one that is complete"));
}

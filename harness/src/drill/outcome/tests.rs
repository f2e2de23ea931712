use super::*;

const BOOTSTRAP_LINE: &str = "2026-11-24 03:00:00,100 INFO: trying to bootstrap a new cluster\n";
const SCRIPT: &str =
    "2026-11-24 03:00:00,200 INFO: Running custom bootstrap script: /scripts/clone_with_wale.py\n";
const RETRIED: &str =
    "2026-11-24 03:00:02,100 maybe_pg_upgrade INFO: Retrying point-in-time recovery without target\n";
const STOPPED: &str =
    "LOG:  recovery stopping before commit of transaction 740, time 2026-11-24 03:00:00+00\n";
const MISSED: &str = "FATAL:  recovery ended before configured recovery target was reached\n";
const REDO_DONE: &str = "LOG:  redo done at 0/5051F28\nLOG:  archive recovery complete\n";

fn peers() -> Vec<Peer> {
    let peer = |cluster: &str, system_identifier: &str| Peer {
        cluster: cluster.to_owned(),
        system_identifier: system_identifier.to_owned(),
    };
    vec![peer("source", "71"), peer("other", "72")]
}

/// A clone of `source` with a target time.
fn clone(system_identifier: &str, logs: &[&str], backups_of: &[&str]) -> Result<Outcome, String> {
    let backups_of: Vec<String> = backups_of.iter().map(|name| (*name).to_owned()).collect();
    let seen = Seen {
        system_identifier,
        clone_of: Some("source"),
        has_target: true,
        logs,
        backups_of: &backups_of,
        ..Seen::default()
    };
    of_running(&seen, &peers())
}

fn kind(system_identifier: &str, logs: &[&str], backups_of: &[&str]) -> ClusterOutcome {
    clone(system_identifier, logs, backups_of).unwrap().kind
}

#[test]
fn a_cluster_that_is_no_clone_runs() {
    let outcome = of_running(&Seen { system_identifier: "99", ..Seen::default() }, &peers()).unwrap();
    assert_eq!((outcome.kind, outcome.why.as_str()), (ClusterOutcome::Running, "it runs"));
}

#[test]
fn a_clone_that_stopped_at_its_target_is_right() {
    for stopped in [STOPPED, "LOG:  recovery stopping after commit of transaction 740\n"] {
        let outcome = clone("71", &[SCRIPT, stopped, REDO_DONE], &["source"]).unwrap();
        assert_eq!(outcome.kind, ClusterOutcome::Running);
        assert_eq!(outcome.why, "restored from source");
        assert!(outcome.evidence.contains(&stopped.trim_end().to_owned()));
    }
}

#[test]
fn one_with_an_identifier_of_its_own_and_no_clone_script_is_empty() {
    let outcome = clone("99", &[BOOTSTRAP_LINE], &[]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::Empty);
    assert_eq!(outcome.why, "system identifier 99 is its own: it was initialised from nothing");
    assert_eq!(outcome.evidence, [BOOTSTRAP_LINE.trim_end()]);
    // The near misses: it came from somewhere, or from its source without a script (as with basebackup).
    assert_eq!(kind("99", &[BOOTSTRAP_LINE, SCRIPT], &[]), ClusterOutcome::WrongCluster);
    assert_eq!(kind("71", &[BOOTSTRAP_LINE, STOPPED], &[]), ClusterOutcome::Running);
}

#[test]
fn one_that_started_on_its_volume_is_not_restored_whatever_its_volumes_logs_say_of_an_earlier_life() {
    const STARTED: &str = "2026-11-24 03:00:00,100 INFO: starting as a secondary\n";
    let outcome = clone("71", &[STARTED], &[]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::NotRestored);
    assert_eq!(
        outcome.why,
        "it started on the data that its volume held, those of source: nothing was restored"
    );
    assert_eq!(outcome.evidence, [STARTED.trim_end()]);
    assert_eq!(kind("71", &[STARTED, STOPPED], &[]), ClusterOutcome::NotRestored);
    assert_eq!(kind("72", &[STARTED], &[]), ClusterOutcome::NotRestored);
    assert_eq!(kind("99", &[STARTED], &[]), ClusterOutcome::NotRestored);
    // The near misses: it was made anew, and started once more later.
    assert_eq!(kind("71", &[BOOTSTRAP_LINE, SCRIPT, STARTED, STOPPED], &["source"]), ClusterOutcome::Running);
    assert_eq!(kind("99", &[BOOTSTRAP_LINE, STARTED], &[]), ClusterOutcome::Empty);
    // A replica of it may be new.
    let replica = "2026-11-24 03:00:00,100 INFO: trying to bootstrap from leader 'acid-orders-0'\n";
    assert_eq!(kind("71", &[STARTED, replica], &[]), ClusterOutcome::NotRestored);
}

#[test]
fn an_upgraded_clone_is_known_by_whose_backup_it_read() {
    const UPGRADE: &str = "2026-11-24 03:00:05,100 maybe_pg_upgrade INFO: Starting the cluster with new postgres after upgrade\n";
    let outcome = clone("99", &[SCRIPT, STOPPED, REDO_DONE, UPGRADE], &["source"]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::Running);
    assert_eq!(outcome.why, "restored, and then upgraded, from source");
    assert!(outcome.evidence.iter().any(|line| line == UPGRADE.trim_end()));
    // Its data may be another cluster's, or of another time, all the same.
    assert_eq!(kind("99", &[SCRIPT, STOPPED, UPGRADE], &["other"]), ClusterOutcome::WrongCluster);
    assert_eq!(kind("72", &[SCRIPT, STOPPED, UPGRADE], &["source"]), ClusterOutcome::WrongCluster);
    assert_eq!(kind("99", &[SCRIPT, MISSED, UPGRADE], &["source"]), ClusterOutcome::TargetNotReached);
    assert_eq!(kind("99", &[SCRIPT, STOPPED], &["source"]), ClusterOutcome::WrongCluster);
    let unread = clone("99", &[SCRIPT, STOPPED, UPGRADE], &[]).unwrap_err();
    assert_eq!(unread, "no request to the storage tells whose base backup it was made of");
}

#[test]
fn a_log_that_was_not_read_shows_nothing() {
    assert_eq!(clone("99", &[], &[]).unwrap_err(), "no line of its log tells how it was bootstrapped");
    let unread = clone("71", &[SCRIPT, ""], &["source"]).unwrap_err();
    assert_eq!(unread, "no line of its server's log tells how its recovery ended");
}

#[test]
fn one_with_anothers_identifier_is_of_the_wrong_cluster() {
    let outcome = clone("72", &[SCRIPT, STOPPED], &["other"]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::WrongCluster);
    assert_eq!(outcome.why, "its system identifier 72 is that of other, and `spec.clone` names source");
    let unknown = clone("99", &[SCRIPT, STOPPED], &[]).unwrap();
    assert_eq!(unknown.kind, ClusterOutcome::WrongCluster);
    assert!(unknown.why.contains("that of a cluster that this drill did not make"), "{}", unknown.why);
}

#[test]
fn one_that_fetched_only_anothers_backup_is_of_the_wrong_cluster() {
    let outcome = clone("71", &[SCRIPT, STOPPED], &["other"]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::WrongCluster);
    assert_eq!(
        outcome.why,
        "the base backup that it fetched was written by other, and `spec.clone` names source"
    );
    assert_eq!(kind("71", &[SCRIPT, STOPPED], &["other", "source"]), ClusterOutcome::Running);
}

#[test]
fn one_whose_recovery_did_not_stop_has_not_reached_its_target() {
    let outcome = clone("71", &[SCRIPT, MISSED], &["source"]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::TargetNotReached);
    assert_eq!(outcome.evidence, [MISSED.trim_end()]);
    assert_eq!(kind("71", &[SCRIPT, REDO_DONE], &["source"]), ClusterOutcome::TargetNotReached);
}

#[test]
fn an_attempt_that_stopped_says_nothing_of_a_later_one_without_a_target() {
    let server = format!("{STOPPED}{REDO_DONE}{MISSED}{REDO_DONE}");
    assert_eq!(kind("71", &[SCRIPT, &server], &["source"]), ClusterOutcome::TargetNotReached);
    let server = format!("{STOPPED}{REDO_DONE}");
    assert_eq!(kind("71", &[RETRIED, &server], &["source"]), ClusterOutcome::TargetNotReached);
    // The other way round: the second attempt came to the target.
    let server = format!("{MISSED}{STOPPED}{REDO_DONE}");
    assert_eq!(kind("71", &[SCRIPT, &server], &["source"]), ClusterOutcome::Running);
}

#[test]
fn without_a_target_none_is_missed() {
    let seen = Seen { system_identifier: "71", clone_of: Some("source"), logs: &[SCRIPT], ..Seen::default() };
    assert_eq!(of_running(&seen, &peers()).unwrap().kind, ClusterOutcome::Running);
}

#[test]
fn one_failed_bootstrap_is_an_accident_and_two_are_none() {
    let once = format!("ERROR: x\n{FAILED_BOOTSTRAP}\n");
    assert_eq!(of_failures(&[&once]), None);
    assert_eq!(of_failures(&["ERROR: x\nERROR: y\n"]), None);
    let twice = [once.as_str(), once.as_str()];
    let outcome = of_failures(&twice).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::BootstrapFails);
    assert_eq!(outcome.why, "its bootstrap failed 2 times");
    assert!(outcome.evidence.contains(&"ERROR: x".to_owned()));
    // In one log or in the logs of two attempts.
    assert_eq!(of_failures(&[&twice.concat()]), Some(outcome));
}

#[test]
fn a_part_that_wal_g_cannot_unpack_again_and_again_is_a_failure_before_the_bootstrap_ends() {
    let line = "ERROR: 2026/11/25 22:00:00.123456 Extraction error in part_001.tar.lz4: tar extract failed: unexpected EOF\n";
    assert_eq!(of_failures(&[line]), None);
    let outcome = of_failures(&[&line.repeat(2)]).unwrap();
    assert_eq!(outcome.kind, ClusterOutcome::BootstrapFails);
    assert!(outcome.why.starts_with("WAL-G cannot unpack part_001.tar.lz4 of the backup"), "{}", outcome.why);
    assert!(outcome.evidence.contains(&line.trim_end().to_owned()));
}

/// A clone to the time of a mark, on this timeline, whose recovery said so much of its last commit.
fn clone_to_mark(timeline: u32, last_commit: &str) -> Outcome {
    let time = |text: &str| text.parse().unwrap();
    let mark = MarkedTime {
        name: "before-mistake",
        commit_after: time("2026-11-24T03:00:00.5Z"),
        time: time("2026-11-24T03:00:00.75Z"),
        timeline: 1,
    };
    // What was said of an attempt before, or after a later crash, is of no account.
    let early = "LOG:  recovery stopping before commit of transaction 1\nLOG:  last completed transaction was at log time 2026-11-24 03:00:00.6+00\n";
    let server = format!("{early}{STOPPED}{REDO_DONE}{last_commit}LOG:  redo done at 0/1\n");
    let seen = Seen {
        system_identifier: "71",
        clone_of: Some("source"),
        has_target: true,
        mark: Some(mark),
        timeline,
        logs: &[SCRIPT, &server],
        backups_of: &["source".to_owned()],
    };
    of_running(&seen, &peers()).unwrap()
}

#[test]
fn a_clone_to_a_mark_has_replayed_the_marks_own_commit_and_no_later_one() {
    let line = |time: &str| format!("LOG:  last completed transaction was at log time {time}\n");
    let right = clone_to_mark(2, &line("2026-11-24 03:00:00.612345+00"));
    assert_eq!(right.kind, ClusterOutcome::Running);
    assert_eq!(right.why, "restored from source up to before-mistake, on timeline 2");
    for (last, said) in [
        (
            "2026-11-24 03:00:00.4+00",
            "the last commit that recovery replayed is of 2026-11-24T03:00:00.4Z, and",
        ),
        (
            "2026-11-24 03:00:00.8+00",
            "the last commit that recovery replayed is of 2026-11-24T03:00:00.8Z, and",
        ),
    ] {
        let wrong = clone_to_mark(2, &line(last));
        assert_eq!(wrong.kind, ClusterOutcome::TargetNotReached);
        assert!(wrong.why.starts_with(said), "{}", wrong.why);
    }
    let none = clone_to_mark(2, "");
    assert_eq!(none.kind, ClusterOutcome::TargetNotReached);
    assert!(
        none.why.starts_with("recovery replayed no commit at all, and before-mistake has"),
        "{}",
        none.why
    );
    let same = clone_to_mark(1, &line("2026-11-24 03:00:00.6+00"));
    assert_eq!(same.kind, ClusterOutcome::TargetNotReached);
    assert_eq!(same.why, "it is on timeline 1, and before-mistake was taken on timeline 1");
}

#[test]
fn a_status_alone_shows_no_failure() {
    let given_up = |logs: &[&str], complaints: &[&str]| {
        let complaints: Vec<String> = complaints.iter().map(|line| (*line).to_owned()).collect();
        of_given_up("CreateFailed", logs, &complaints).map(|outcome| (outcome.kind, outcome.evidence))
    };
    assert_eq!(given_up(&[], &[]), None);
    assert_eq!(given_up(&["INFO: all is well\n"], &["level=error msg=\"pod was slow\""]), None);
    let refused = "level=error msg=\"invalid\"";
    assert_eq!(given_up(&[], &[refused]), Some((ClusterOutcome::Rejected, vec![refused.to_owned()])));
    let failed = format!("ERROR: x\n{FAILED_BOOTSTRAP}\n");
    let (kind, evidence) = given_up(&[&failed], &[]).unwrap();
    assert_eq!((kind, evidence[0].as_str()), (ClusterOutcome::BootstrapFails, "ERROR: x"));
}

#[test]
fn an_error_about_another_cluster_is_no_complaint() {
    let line =
        |level: &str, cluster: &str| format!("level={level} msg=x cluster-name=ns/{cluster} pkg=cluster\n");
    let log = [line("error", "acid-orders-clone"), line("info", "acid-orders"), line("error", "acid-orders")];
    assert_eq!(complaints(&log.concat(), "ns/acid-orders"), [log[2].trim_end()]);
    let json = r#"{"cluster-name":"ns/acid-orders","level":"error","msg":"x"}"#;
    assert_eq!(complaints(json, "ns/acid-orders"), [json]);
}

//! Clusters that follow another one: what passes as that, and what does not.

use super::*;
use crate::drill::outcome::standby::Lag;

fn lag(bytes: u64, seconds: f64, missing: Option<&str>) -> Lag {
    Lag { of: "source".to_owned(), bytes, seconds, timeline: 1, missing: missing.map(str::to_owned) }
}

/// A cluster `clone` that follows `source`, reads its backups, and has nothing of its own in any account.
fn following(lag: Lag) -> Observed {
    let mut observed = with_clone(|clone| {
        clone.outcome =
            Some(lag.outcome(vec!["INFO: no action. I am (clone-0), the standby leader".to_owned()]));
        clone.lag = Some(lag);
        clone.without_backup = true;
    });
    observed.storage = storage(vec![
        access(of("source"), "prodbackups", Operation::WriteBlob, "source/15/base", 201),
        access(of("clone"), "prodbackups", Operation::ReadBlob, "source/15/base", 200),
    ]);
    observed
}

fn expected(more: Value) -> Value {
    let mut clone = json!({ "outcome": "following" });
    clone.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "clone": clone, "source": { "outcome": "running" } })
}

#[test]
fn one_that_comes_up_to_its_source_and_writes_nowhere_passes() {
    let observed = following(lag(480, 3.2, None));
    assert_eq!(said(&observed, expected(json!({}))), []);
    let all = json!({
        "follows": { "cluster": "source", "bytes": 480, "seconds": 4 },
        "reads": ["prodbackups"], "writes": [], "backups": "none", "data": { "equals": "mark" },
    });
    assert_eq!(said(&observed, expected(all)), []);
}

#[test]
fn one_that_follows_nobody_is_no_following_one_and_one_that_follows_is_no_running_one() {
    let promoted = with_clone(|clone| {
        clone.outcome = became(ClusterOutcome::Running, "promoted: it takes writes, on timeline 2", &[]);
    });
    let seen = "running: promoted: it takes writes, on timeline 2";
    assert_eq!(
        said(&promoted, expected(json!({}))),
        [
            ("clone: outcome".to_owned(), "following".to_owned(), seen.to_owned()),
            // It archives by now.
            ("clone: writes".to_owned(), "no storage account".to_owned(), "clonebackups".to_owned()),
        ]
    );
    let empty = with_clone(|clone| clone.outcome = became(ClusterOutcome::Empty, "of its own", &[]));
    assert_eq!(said(&empty, expected(json!({})))[0].2, "empty: of its own");
    let found = said(&following(lag(0, 0.1, None)), running(json!({})));
    assert_eq!((found[0].1.as_str(), &found[0].2[..9]), ("running", "following"));
}

#[test]
fn one_that_does_not_come_up_to_its_source_lags_behind() {
    let observed = following(lag(50_331_648, 90.0, Some("still 50331648 bytes")));
    let found = said(&observed, expected(json!({})));
    let seen = "lags-behind: it follows source: 50331648 bytes behind source at the end of the drill, and 90.0 s later still \
                50331648 bytes";
    assert_eq!(found, says("clone: outcome", "following", seen));
    let as_expected = json!({ "clone": { "outcome": "lags-behind" }, "source": { "outcome": "running" } });
    assert_eq!(said(&observed, as_expected), []);
}

#[test]
fn how_far_behind_it_may_be_and_whom_it_follows_is_held_to() {
    let observed = following(lag(480, 3.2, None));
    let seen = "480 bytes behind source at the end of the drill, and 3.2 s later none, on timeline 1";
    let of = |follows: Value| said(&observed, expected(json!({ "follows": follows })));
    let bytes = of(json!({ "cluster": "source", "bytes": 479 }));
    assert_eq!(bytes, says("clone: follows", "at most 479 bytes behind", seen));
    let seconds = of(json!({ "cluster": "source", "seconds": 3 }));
    assert_eq!(seconds, says("clone: follows", "at most 3 s behind", seen));
    assert_eq!(of(json!({ "cluster": "other" })), says("clone: follows", "other", "source"));
    let unknown =
        with_clone(|clone| clone.outcome = became(ClusterOutcome::Following, "it follows source", &[]));
    let found = said(&unknown, expected(json!({ "follows": { "cluster": "source" } })));
    assert!(found.iter().any(|(subject, ..)| subject == "clone: follows"), "{found:?}");
}

#[test]
fn one_that_writes_a_blob_while_it_follows_fails_whatever_its_outcome() {
    let mut observed = following(lag(0, 0.1, None));
    let written = access(of("clone"), "clonebackups", Operation::WriteBlob, "clone/15/wal/1", 201);
    observed.storage = storage(vec![written]);
    let found = said(&observed, expected(json!({})));
    assert_eq!(found, says("clone: writes", "no storage account", "clonebackups"));
    // Somebody may want it: archive_mode may be `always`.
    assert_eq!(said(&observed, expected(json!({ "writes": ["clonebackups"] }))), []);
}

#[test]
fn the_report_says_whom_it_follows_and_how_far_behind_it_is() {
    let observed = following(lag(480, 3.25, None));
    let expect = serde_json::from_value(expected(json!({}))).unwrap();
    let summaries = observed.summaries(&expect).unwrap();
    let clone = summaries.iter().find(|summary| summary.cluster == "clone").unwrap();
    let follows = clone.follows.as_ref().unwrap();
    assert_eq!(follows.words(), "source, timeline 1: 480 bytes behind, 3.2 s later none");
    assert_eq!(clone.outcome, "following");
}

#[test]
fn another_outcome_is_told_apart() {
    let observed = following(lag(480, 3.2, None));
    assert!(told_apart(&observed, json!({ "outcome": "running" })).is_some());
    assert!(told_apart(&observed, json!({ "outcome": "lags-behind" })).is_some());
    assert!(told_apart(&observed, json!({ "outcome": "following", "writes": ["clonebackups"] })).is_some());
    assert_eq!(told_apart(&observed, json!({ "outcome": "following" })), None);
}

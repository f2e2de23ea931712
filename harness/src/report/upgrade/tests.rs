use serde_json::json;

use super::*;
use crate::render::{RefusedBy, RenderedCluster, RenderedSet, Rendering, Settings};

fn set(version: &str, env: &[(&str, &str)]) -> RenderedSet {
    let variable = |(name, value): &(&str, &str)| RenderedVariable {
        name: (*name).to_owned(),
        item: json!({ "name": name, "value": value }),
        origins: Vec::new(),
        derived: false,
        hidden: false,
    };
    RenderedSet {
        env: env.iter().map(variable).collect(),
        stateful_set: json!({ "metadata": { "uid": version }, "spec": { "template": { "spec": { "containers": [
            { "name": "postgres", "image": format!("spilo:{version}"), "env": [] },
        ] } } } }),
        log: vec![format!("made by {version}")],
        origins_unknown: None,
    }
}

fn rendering(version: &str, results: Vec<Result<RenderedSet, Refused>>) -> Rendering {
    let clusters = results.into_iter().enumerate();
    Rendering {
        operator: version.to_owned(),
        clusters: clusters.map(|(cluster, result)| RenderedCluster { cluster, result }).collect(),
        log: Vec::new(),
        refused: Vec::new(),
    }
}

fn takeover(cluster: usize, fate: Fate, restarted: usize, reasons: &[&str]) -> Takeover {
    let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
    Takeover { cluster, fate, pods: 1, restarted, reasons, failure: None, again: Some(Vec::new()) }
}

fn input() -> RenderInput {
    let cluster = |name: &str| json!({ "kind": "postgresql", "metadata": { "name": name } });
    let clusters = ["acid-a", "acid-b", "acid-c"].map(cluster).to_vec();
    RenderInput { settings: Settings::Release, objects: Vec::new(), clusters }
}

fn changed() -> UpgradeRecord {
    let refused =
        Refused { by: RefusedBy::Operator, message: "no such thing any more".to_owned(), field: None };
    let before = [("A", "1"), ("B", "2"), ("S", r#"{"a":{"b":1},"c":2}"#), ("SOME_KEY", "hush-hush")];
    let after =
        [("B", "2"), ("A", "1"), ("S", r#"{"a":{"b":3},"c":2}"#), ("SOME_KEY", "hush-again"), ("N", "")];
    let upgrade = Upgrade {
        from: rendering("v1", vec![Ok(set("v1", &before)), Ok(set("v1", &[])), Ok(set("v1", &[]))]),
        to: rendering("v2", vec![Ok(set("v2", &after)), Err(refused), Ok(set("v1", &[]))]),
        taken_over: vec![
            takeover(0, Fate::Replaced, 1, &["new statefulset's environment does not match the current one"]),
            takeover(2, Fate::Kept, 0, &[]),
        ],
    };
    UpgradeRecord::new("manifests", &input(), &upgrade, &[])
}

#[test]
fn what_changes_is_told_for_each_cluster_and_what_stays_is_counted() {
    let text = text(&changed(), false);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert!(!text.contains("hush"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_matrix_counts_what_changes() {
    insta::assert_snapshot!(matrix(&[changed()]));
}

#[test]
fn a_restart_alone_is_a_change() {
    let same = || rendering("v1", vec![Ok(set("v1", &[])), Ok(set("v1", &[])), Ok(set("v1", &[]))]);
    let record = |restarted| {
        let taken_over = vec![takeover(0, Fate::Kept, restarted, &[])];
        UpgradeRecord::new("x", &input(), &Upgrade { from: same(), to: same(), taken_over }, &[]).changed
    };
    assert!(record(1) && !record(0));
}

#[test]
fn what_differs_at_every_sync_is_told_with_the_variable_that_stands_twice() {
    let same = |env: &[(&str, &str)]| {
        rendering("v1", vec![Ok(set("v1", env)), Ok(set("v1", &[])), Ok(set("v1", &[]))])
    };
    let twice = [("SSH_PORT", "22"), ("SCOPE", "acid-a"), ("SSH_PORT", "2222"), ("SCOPE", "acid-a")];
    let record = |again: Option<&[&str]>| {
        let again = again.map(|reasons| reasons.iter().map(|reason| (*reason).to_owned()).collect());
        let taken_over = vec![Takeover { again, ..takeover(0, Fate::Kept, 0, &[]) }];
        UpgradeRecord::new("x", &input(), &Upgrade { from: same(&twice), to: same(&twice), taken_over }, &[])
    };
    let rolled = record(Some(&["new statefulset's environment does not match the current one"]));
    assert!(rolled.changed);
    let report = text(&rolled, false);
    let told = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("will be rolled again and again, at every sync (resync_period)"), "{told}");
    assert!(told.contains("; SSH_PORT stands twice in the env list with two values"), "{told}");
    assert!(told.ends_with("1 cluster will be rolled again and again, at every sync"), "{told}");
    // That nobody looked is no all-clear.
    let unseen = text(&record(None), false);
    assert!(unseen.contains("whether 1 cluster will be rolled again and again was not seen"), "{unseen}");
    let quiet = record(Some(&[]));
    assert!(!quiet.changed && !text(&quiet, false).contains("again"));
}

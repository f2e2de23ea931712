//! One scenario in both environments: what is seen is the same, but for what ARCHITECTURE.md explains.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::run::{OPERATOR, Own, SCENARIO};

/// The report of a drill in an environment, and the observations that it left as evidence.
struct Drill {
    report: Value,
    texts: BTreeMap<String, String>,
}

impl Drill {
    fn run(own: &Own, environment: &str) -> Drill {
        let arguments =
            ["run", SCENARIO, "--operator", OPERATOR, "--environment", environment, "--format", "json"];
        let start = Instant::now();
        let output = own.command(&arguments).output().unwrap();
        let whole = start.elapsed();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{environment}: {errors}");
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        let report = result["drills"][0].clone();
        assert_eq!(report["environment"], environment);
        // For the README's table: both in one run.
        let drill = Duration::from_millis(report["milliseconds"].as_u64().unwrap());
        println!("{environment}: environment {:.1?}, drill {drill:.1?}", whole.saturating_sub(drill));
        let evidence = PathBuf::from(report["evidence"].as_str().unwrap());
        let mut texts = BTreeMap::new();
        for name in ["env/source.txt", "env/clone.txt", "logs.txt", "storage.txt"] {
            texts.insert(name.to_owned(), fs::read_to_string(evidence.join(name)).unwrap());
        }
        for name in ["data/source.json", "data/clone.json"] {
            texts.insert(name.to_owned(), data(&evidence.join(name)));
        }
        Drill { report, texts }
    }

    /// What became of the clusters, and why each alternative was ruled out.
    fn conclusions(&self) -> String {
        let conclusions = serde_json::json!([self.report["clusters"], self.report["told_apart"]]);
        serde_json::to_string_pretty(&conclusions).unwrap()
    }
}

/// Without what identifies the cluster and the moment: they are two clusters, made at two times.
fn data(file: &Path) -> String {
    let mut data: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert!(data["identity"]["system_identifier"].is_string(), "{data}");
    data["identity"] = Value::Null;
    serde_json::to_string_pretty(&data).unwrap()
}

fn differences(name: &str, local: &str, kind: &str) -> Vec<String> {
    let changes = TextDiff::from_lines(local, kind);
    let changes = changes.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    let lines = changes.map(|change| {
        let only = if change.tag() == ChangeTag::Delete { "local" } else { "kind" };
        format!("{name}: only in {only}: {}", change.value().trim_end())
    });
    lines.collect()
}

#[test]
fn a_drill_sees_the_same_in_both_environments() {
    let own = Own::new("parity");
    let (local, kind) = (Drill::run(&own, "local"), Drill::run(&own, "kind"));
    let mut found = differences("conclusions", &local.conclusions(), &kind.conclusions());
    for (name, text) in &local.texts {
        assert!(!text.trim().is_empty(), "{name} is empty");
        found.extend(differences(name, text, &kind.texts[name]));
    }
    assert!(own.command(&["down", &own.environment()]).status().unwrap().success());
    insta::assert_snapshot!(found.join("\n"), @"");
}

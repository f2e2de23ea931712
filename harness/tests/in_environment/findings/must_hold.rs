//! Where nothing is at fault nothing is found: the operator's own samples, scenarios that run, a repository as people have it.

use std::path::Path;

use clonedrill::check::{Severity, definitions};
use clonedrill::toolchain::{self, Configuration, Silent};
use serde_json::{Value, json};

use super::{check, report};

/// What counts of a report, in short.
fn counting(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let counting = findings.filter(|finding| finding["severity"] != "note");
    counting.map(|finding| format!("{} {}", finding["code"], finding["message"])).collect()
}

#[test]
fn the_operators_own_samples_are_clean_with_each_pinned_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let configuration = Configuration::load(&root).unwrap();
    let versions = toolchain::DEFAULT_OPERATORS.map(ToOwned::to_owned);
    let tools = toolchain::ensure(&configuration, &versions, &Silent).unwrap();
    for version in versions {
        let here = tempfile::tempdir().unwrap();
        let samples = &tools.operators[&version].manifests;
        let arguments = [samples.to_str().unwrap(), "--operator", &version, "--format", "json"];
        let report = report(&check(here.path(), &arguments));
        assert_eq!(report["problems"], json!([]), "{version}");
        assert_eq!(counting(&report), [""; 0], "{version}");
        assert!(report["findings"].as_array().unwrap().len() > 1, "{version}: its clusters have no backups");
    }
}

/// A scenario's objects as people would apply them, with its `${…}` filled in.
fn manifests(scenario: &Value) -> Vec<Value> {
    let text = scenario.to_string();
    let filled = regex::Regex::new(r"\$\{(\w+)\.([\w-]+)(?:\.(\w+))?\}").unwrap().replace_all(
        &text,
        |found: &regex::Captures<'_>| match (&found[1], found.get(3).map_or("", |last| last.as_str())) {
            ("storage", "name") => found[2].to_owned(),
            ("storage", _) => format!("the key of {}", &found[2]),
            ("postgres", _) => "15".to_owned(),
            ("clusters", _) => "c1a0ed00-0000-4000-8000-000000000001".to_owned(),
            ("marks", _) => "2026-11-24T07:00:00+00:00".to_owned(),
            _ => "default".to_owned(),
        },
    );
    let scenario: Value = serde_json::from_str(&filled).unwrap();
    let mut objects = vec![json!({
        "apiVersion": "acid.zalan.do/v1", "kind": "OperatorConfiguration", "metadata": { "name": "operator" },
        "configuration": scenario["operator"]["configuration"],
    })];
    objects.extend(scenario["objects"].as_array().into_iter().flatten().cloned());
    objects.extend(scenario["clusters"].as_object().unwrap().values().cloned());
    objects
}

/// What only a drill shows: `check` does not know what time it is in a scenario, and a copy of a running cluster is a fault only
/// where backups were meant.
const DRILLS_OWN: [&str; 2] = ["no-backups", "clone-not-from-backups"];

/// A scenario that shows a finding to be true has it, or one that says more of the same fault; one that runs, and shows none, is
/// clean.
#[test]
fn scenarios_have_the_findings_that_they_show_and_no_other_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let (mut clean, mut wrong) = (0, Vec::new());
    for group in ["check", "clone", "replicate"] {
        let mut files: Vec<_> =
            std::fs::read_dir(root.join(group)).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        for file in files {
            let name = format!("{group}/{}", file.file_stem().unwrap().to_string_lossy());
            let text = std::fs::read_to_string(&file).unwrap();
            let scenario: Value = serde_saphyr::from_str(&text).unwrap();
            let shows: Vec<&str> = definitions()
                .iter()
                .filter(|definition| definition.shown.scenarios().contains(&name.as_str()))
                .map(|definition| definition.code)
                .collect();
            let all_run = scenario["expect"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(|expected| expected.get("outcome"))
                .all(|outcome| outcome == "running");
            let here = tempfile::tempdir().unwrap();
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests(&scenario) });
            std::fs::write(here.path().join("all.json"), list.to_string()).unwrap();
            let report = report(&check(here.path(), &["all.json", "--format", "json"]));
            let found = report["findings"].as_array().unwrap();
            for code in &shows {
                let by_drill = code.starts_with("timestamp-") || DRILLS_OWN.contains(code);
                // One that shows many has each of them, at a cluster of its own.
                let says_more = shows.len() <= 3 && !counting(&report).is_empty();
                let told = found.iter().any(|finding| finding["code"] == *code) || says_more;
                if !by_drill && !told {
                    wrong.push(format!("{name} shows {code}, and nothing is found in it"));
                }
            }
            let at_fault = shows.iter().any(|code| {
                clonedrill::check::by_code(code)
                    .is_some_and(|definition| definition.severity != Severity::Note)
            });
            if all_run && !at_fault {
                assert_eq!(report["problems"], json!([]), "{name}");
                wrong.extend(counting(&report).into_iter().map(|finding| format!("{name}: {finding}")));
                clean += 1;
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(clean > 3, "{clean} scenarios are clean");
}

/// Helm's output of the operator, what kustomize built for two teams, ExternalSecrets, and the clone sections of last year.
#[test]
fn a_repository_as_people_have_it_is_clean() {
    let repository = super::folder("repository");
    let report = report(&check(&repository, &[".", "--format", "json"]));
    assert_eq!(report["problems"], json!([]));
    assert_eq!(counting(&report), [""; 0]);
    assert!(report["clusters"].as_u64().is_none_or(|clusters| clusters >= 6), "{report}");
}

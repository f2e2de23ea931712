//! Manifests as people have them, many objects to a file: a clean set, and files that are at fault in a single place, each
//! named after what is found there.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{check, codes, folder, report};

/// Each file with its code; a number keeps two files of one code apart (`missing-secret.2.yaml`).
fn faulty() -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder("faulty"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (path, name.split('.').next().unwrap().to_owned())
        })
        .collect();
    files.sort();
    files
}

fn configures_the_operator(file: &Path) -> bool {
    std::fs::read_to_string(file).unwrap().contains("kind: OperatorConfiguration")
}

/// Storage accounts of the fixtures.
const ACCOUNTS: [&str; 7] = [
    "prodbackups",
    "clonebackups",
    "cataloguebackups",
    "paymentsproduction",
    "paymentsstaging",
    "sharedbackups",
    "invoicearchive",
];

/// A text's objects but the operator's configuration, in namespaces and with storage accounts of their own, so that many files can be checked at once.
pub(super) fn apart(text: &str, number: usize) -> String {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects.retain(|object| object["kind"] != "OperatorConfiguration");
    for object in &mut objects {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        object["metadata"]["namespace"] = json!(format!("{namespace}-{number}"));
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
    ACCOUNTS.iter().fold(list, |list, account| list.replace(account, &format!("{account}{number}")))
}

#[test]
fn nothing_is_found_in_the_clean_set() {
    let output = check(&folder("clean"), &[".", "--format", "json", "--new"]);
    let report = report(&output);
    let found: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] != "note")
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(output.status.code(), Some(0), "{}", report["problems"]);
}

#[test]
fn what_is_at_fault_in_a_single_place_gives_a_single_finding() {
    let written = tempfile::tempdir().unwrap();
    let faulty = faulty();
    let many: Vec<_> = faulty.iter().filter(|(file, _)| !configures_the_operator(file)).collect();
    for (number, (file, _)) in many.iter().enumerate() {
        let target = written.path().join(file.with_extension("json").file_name().unwrap());
        std::fs::write(target, apart(&std::fs::read_to_string(file).unwrap(), number)).unwrap();
    }
    let report = report(&check(written.path(), &[".", "--format", "json", "--new"]));
    for (file, code) in many {
        let name = file.with_extension("json").file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(codes(&report, &format!("./{name}")), [code], "{name}");
    }
}

#[test]
fn what_is_at_fault_in_the_operators_settings_gives_a_single_finding() {
    for (file, code) in faulty().iter().filter(|(file, _)| configures_the_operator(file)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let report = report(&check(&folder("faulty"), &[name, "--format", "json", "--new"]));
        assert_eq!(codes(&report, name), [code], "{name}");
    }
}

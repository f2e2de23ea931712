//! Inputs of an adversary, in the forms that people have: the head of each says the right answer.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::fixtures::apart;
use super::{check, folder, report};

/// An input with its right answer.
struct Input {
    name: String,
    text: String,
    /// `error variable-not-read acid-orders`, one for each finding that counts.
    right: Vec<String>,
    /// Notes that there must be, besides others.
    notes: Vec<String>,
    says: Vec<String>,
    configuration: Option<PathBuf>,
}

impl Input {
    fn read(path: &Path) -> Input {
        let text = std::fs::read_to_string(path).unwrap();
        let head = |start: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(start)).map(ToOwned::to_owned).collect()
        };
        let right = head("# right: ");
        assert!(!right.is_empty(), "{}: no right answer", path.display());
        let (notes, mut right): (Vec<String>, Vec<String>) =
            right.into_iter().filter(|one| one != "nothing").partition(|one| one.starts_with("note "));
        right.sort();
        let configuration = path.with_extension("clonedrill.yaml");
        Input {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            says: head("# says: "),
            configuration: configuration.is_file().then_some(configuration),
            right,
            notes,
            text,
        }
    }

    /// Whether it says nothing of its own of the operator, so that it can be checked beside others.
    fn is_plain(&self) -> bool {
        const NONE: &str = "aws_or_gcp: { wal_az_storage_account: \"\" }";
        let (_, configuration) = self.text.split_once("\nconfiguration:\n").unwrap_or_default();
        let own = configuration.split("\n---").next().unwrap_or_default();
        self.configuration.is_none() && own.trim() == NONE
    }

    /// Holds the findings in this file of a report to the right answer.
    fn hold(&self, report: &Value, file: &str, number: Option<usize>) {
        let plain = |text: &str| match number {
            Some(number) => text.replace(&format!("-{number}/"), "/").replace("default/", ""),
            None => text.to_owned(),
        };
        let of_file = report["findings"].as_array().unwrap().iter().filter(|finding| finding["file"] == file);
        let (mut counting, mut notes, mut said) = (Vec::new(), Vec::new(), String::new());
        for finding in of_file {
            let text = |key: &str| finding[key].as_str().unwrap_or_default();
            let cluster = if text("cluster").is_empty() { "-".to_owned() } else { plain(text("cluster")) };
            let line = format!("{} {} {cluster}", text("severity"), text("code"));
            if text("severity") == "note" {
                notes.push(line)
            } else {
                counting.push(line)
            };
            said.push_str(&plain(&format!("{} {}\n", text("message"), text("repair"))));
        }
        counting.sort();
        assert_eq!(counting, self.right, "{}: {said}", self.name);
        assert!(self.notes.iter().all(|note| notes.contains(note)), "{}: {notes:?}", self.name);
        for says in &self.says {
            assert!(said.contains(says.as_str()), "{}: no `{says}` in: {said}", self.name);
        }
    }
}

/// All of them, and whether they can be checked at once.
fn inputs(plain: bool) -> Vec<Input> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder("inputs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.to_string_lossy().ends_with(".clonedrill.yaml"));
    files.sort();
    let read = files.iter().map(|file| Input::read(file)).filter(|input| input.is_plain() == plain);
    let read: Vec<Input> = read.collect();
    assert!(read.len() > 20, "{}", read.len());
    read
}

#[test]
fn inputs_that_share_a_configuration_have_the_right_answers() {
    let written = tempfile::tempdir().unwrap();
    let inputs = inputs(true);
    let settings = json!({
        "apiVersion": "acid.zalan.do/v1", "kind": "OperatorConfiguration", "metadata": { "name": "operator" },
        "configuration": { "aws_or_gcp": { "wal_az_storage_account": "" } },
    });
    std::fs::write(written.path().join("operator.json"), settings.to_string()).unwrap();
    for (number, input) in inputs.iter().enumerate() {
        let list = apart(&input.text, number);
        std::fs::write(written.path().join(format!("{}.json", input.name)), list).unwrap();
    }
    let report = report(&check(written.path(), &[".", "--format", "json"]));
    assert_eq!(report["problems"], json!([]));
    for (number, input) in inputs.iter().enumerate() {
        input.hold(&report, &format!("./{}.json", input.name), Some(number));
    }
}

/// One by one: an operator has one configuration. In two halves, which tests run side by side.
fn one_by_one(half: usize) {
    for input in inputs(false).into_iter().skip(half).step_by(2) {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("case.yaml"), &input.text).unwrap();
        if let Some(configuration) = &input.configuration {
            std::fs::copy(configuration, here.path().join("clonedrill.yaml")).unwrap();
        }
        let report = report(&check(here.path(), &["case.yaml", "--format", "json"]));
        assert_eq!(report["problems"], json!([]), "{}", input.name);
        input.hold(&report, "case.yaml", None);
    }
}

#[test]
fn inputs_with_settings_of_the_operator_have_the_right_answers() {
    one_by_one(0);
}

#[test]
fn the_other_inputs_with_settings_of_the_operator_have_the_right_answers() {
    one_by_one(1);
}

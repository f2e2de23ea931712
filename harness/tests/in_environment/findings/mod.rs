//! Findings through the real operator: each page's example gives its finding, and its repair none.

mod cases;
mod fixtures;
mod input;
mod inputs;
mod must_hold;
mod pages;
mod review;
mod with_wal_g;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The present of all examples.
const NOW: &str = "2026-11-24T08:00:00Z";

/// A folder of inputs.
fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(name)
}

/// `clonedrill check` in this folder, with these arguments.
fn check(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    command.arg("check").args(arguments).args(["--now", NOW]).current_dir(folder);
    if let Ok(run) = std::env::var("NEXTEST_RUN_ID") {
        // nextest starts each test as its own child and is there until the last has ended.
        command.env("CLONEDRILL_SHARE", format!("{run}:{}", std::os::unix::process::parent_id()));
    }
    command.output().unwrap()
}

/// What it prints as JSON.
fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The codes of the findings in one file of a report, notes left out.
fn codes<'r>(report: &'r Value, file: &str) -> Vec<&'r str> {
    let findings = report["findings"].as_array().unwrap().iter();
    let of_file = findings.filter(|finding| finding["file"] == file && finding["severity"] != "note");
    of_file.map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// What people read, without what varies.
fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

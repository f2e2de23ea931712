//! Environments that are kept: what `up` brings, that its printed commands work, and what is left of it.
#![allow(clippy::unwrap_used)]

mod process;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use process::{MIDDLE, Run, descendants, signal};

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");

fn start(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder).env("TMPDIR", folder).env_remove("CLONEDRILL_SHARE");
    Run::start(command, folder.join("output"))
}

fn name(test: &str) -> String {
    format!("test-{test}-{}", std::process::id())
}

/// What `up` prints to be pasted: the lines that are set in.
fn pasted(said: &str) -> String {
    said.lines().filter(|line| line.starts_with("  ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_up_prints_works_when_pasted_and_ends_with_its_outermost_process() {
    let folder = tempfile::tempdir().unwrap();
    let name = name("paste");
    let mut up = start(folder.path(), &["up", "--name", &name, "--account", "first", "second"]);
    assert_eq!(up.end_within(MIDDLE).code(), Some(0), "{}", up.said());
    let said = up.said();
    let outermost = said.split("its outermost process is ").nth(1).and_then(|rest| rest.split('.').next());
    let outermost: i32 = outermost.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(up.seen.values().any(|process| process.id == outermost), "{}", up.names());
    let below = descendants(&[outermost]);
    assert!(below.iter().any(|process| process.name == "kube-apiserver"), "{below:?}");
    up.seen.extend(below.into_iter().map(|process| (process.key(), process)));

    if said.contains("There is no kubectl on PATH") {
        eprintln!("not tested: kubectl is not installed, and `up` says so");
    } else {
        let script = folder.path().join("pasted.sh");
        fs::write(&script, pasted(&said)).unwrap();
        let question = folder.path().join("question.sql");
        fs::write(&question, "SELECT 'the answer is ' || 40 + 2 || ' in ' || current_database();\n").unwrap();
        let mut paste = Command::new("sh");
        // psql reads what the shell does not.
        paste.arg("-e").arg(&script).stdin(fs::File::open(&question).unwrap());
        let mut pasted = Run::start(paste, folder.path().join("pasted"));
        assert_eq!(pasted.end_within(MIDDLE).code(), Some(0), "{}", pasted.said());
        let answer = pasted.said();
        assert!(answer.contains("the answer is 42 in orders"), "{answer}");
        assert!(answer.contains("postgres-operator-"), "{answer}");
    }

    let mut again = start(folder.path(), &["up", "--name", &name]);
    assert_eq!(again.end().code(), Some(2), "{}", again.said());
    assert!(again.said().contains("it runs already"), "{}", again.said());
    signal(outermost, Signal::SIGKILL);
    up.leaves_nothing();
    let mut down = start(folder.path(), &["down", &name]);
    assert_eq!(down.end().code(), Some(0), "{}", down.said());
    assert!(down.said().contains(&format!("no environment {name} runs")), "{}", down.said());
}

#[test]
fn ctrl_c_ends_what_up_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = start(folder.path(), &["up", "--name", &name("ctrl-c")]);
    up.until_runs("kube-apiserver");
    signal(up.id(), Signal::SIGINT);
    assert_eq!(up.end().code(), Some(130), "{}", up.said());
    up.leaves_nothing();
}

#[test]
fn an_up_that_is_killed_before_it_is_done_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = start(folder.path(), &["up", "--name", &name("killed")]);
    up.until_runs("kube-apiserver");
    up.look();
    signal(up.id(), Signal::SIGKILL);
    up.child.wait().unwrap();
    up.leaves_nothing();
}

/// A world with an operator and nothing else.
const NOTHING_TO_DO: &str = "name: up-kept\nabout: Nothing to do.\noperator: { versions: [v1.15.1] }\n\
                             storage: { accounts: [unused] }\nclusters: {}\nsteps: []\nexpect: {}\n";

#[test]
fn an_environment_that_a_run_keeps_goes_on_until_it_is_taken_down() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("up")).unwrap();
    fs::write(folder.path().join("up/kept.yaml"), NOTHING_TO_DO).unwrap();
    let mut run = start(folder.path(), &["run", "up/kept.yaml", "--keep", "--junit", "out/junit.xml"]);
    assert_eq!(run.end_within(MIDDLE).code(), Some(0), "{}", run.said());
    let said = run.said();
    let kept = said.split("`clonedrill down ").nth(1).and_then(|rest| rest.split('`').next());
    let kept = kept.unwrap_or_else(|| panic!("{said}"));
    assert!(run.seen.values().any(|process| process.name == "kube-apiserver" && process.lives()), "{said}");
    assert!(fs::read_to_string(folder.path().join("out/junit.xml")).unwrap().contains("up-kept"));
    let down = Command::new(BINARY).args(["down", kept]).stdout(Stdio::null()).status().unwrap();
    assert_eq!(down.code(), Some(0));
    run.leaves_nothing();
}

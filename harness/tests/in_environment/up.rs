//! Environments that are kept: what `up` brings, that its printed commands work, and what is left of it.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::process::{MIDDLE, Run, descendants, signal};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");

fn in_folder(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env("TMPDIR", folder).env_remove("CLONEDRILL_SHARE");
    command
}

fn start(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = in_folder(folder);
    command.args(arguments);
    Run::start(command, folder.join("output"))
}

fn name(test: &str) -> String {
    format!("test-{test}-{}", std::process::id())
}

/// What `up` prints to be pasted: the lines that are set in.
fn pasted(said: &str) -> String {
    let lines = said.lines().skip_while(|line| !line.starts_with("Paste this"));
    lines.filter(|line| line.starts_with("  ")).map(|line| format!("{line}\n")).collect()
}

/// Where the API server is reached from outside.
fn published_port(name: &str) -> u16 {
    let output = Command::new(BINARY).args(["kubeconfig", "--name", name]).output().unwrap();
    let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    server.rsplit(':').next().unwrap().parse().unwrap()
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
        let programs = Path::new(BINARY).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        paste.current_dir(folder.path()).env("PATH", format!("{programs}:{path}"));
        paste.arg("-e").arg(&script).stdin(fs::File::open(&question).unwrap());
        let mut pasted = Run::start(paste, folder.path().join("pasted"));
        assert_eq!(pasted.end_within(MIDDLE).code(), Some(0), "{}", pasted.said());
        let answer = pasted.said();
        assert!(answer.contains("the answer is 42 in orders"), "{answer}");
        assert!(answer.contains("postgres-operator-"), "{answer}");
    }

    let port = published_port(&name);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut again = start(folder.path(), &["up", "--name", &name]);
    assert_eq!(again.end().code(), Some(2), "{}", again.said());
    assert!(again.said().contains("it is running already"), "{}", again.said());
    // Whoever mistakes a name hears which ones there are, and how to end them.
    let mut other = start(folder.path(), &["down", &format!("{name}-mistaken")]);
    assert_eq!(other.end().code(), Some(0), "{}", other.said());
    let said = other.said();
    assert!(
        said.contains(&format!("no environment named `{name}-mistaken` is running; these are:")),
        "{said}"
    );
    assert!(said.contains(&format!("  {name}    end it with: clonedrill down {name}\n")), "{said}");
    signal(outermost, Signal::SIGKILL);
    up.leaves_nothing();
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let mut down = start(folder.path(), &["down", &name]);
    assert_eq!(down.end().code(), Some(0), "{}", down.said());
    assert!(down.said().contains(&format!("no environment named `{name}` is running")), "{}", down.said());
}

#[test]
fn a_namespace_that_is_named_twice_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = start(folder.path(), &["up", "--name", &name("twice"), "--namespace", "orders", "orders"]);
    assert_eq!(up.end().code(), Some(2), "{}", up.said());
    assert!(up.said().contains("failed to make the namespace orders: it is named twice"), "{}", up.said());
    assert!(up.seen.is_empty(), "{}", up.names());
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
    // The folder for temporary files is the same.
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["output"]);
}

/// An environment that ends with the test, also where an assertion fails.
struct Kept(String);

impl Kept {
    fn down(&self) -> ExitStatus {
        Command::new(BINARY).args(["down", &self.0]).stdout(Stdio::null()).status().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        self.down();
    }
}

/// A world with an operator of one's own and nothing else.
const NOTHING_TO_DO: &str = "name: up-kept\nabout: Nothing to do.\noperator: { versions: [ours] }\n\
                             storage: { accounts: [unused] }\nclusters: {}\nsteps: []\nexpect: { snapshots: [logs] }\n";

/// The released one, as if somebody had built it.
fn ours() -> String {
    let output = Command::new(BINARY).args(["tools", "--format", "json"]).output().unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let released =
        list.iter().find(|one| one["program"] == "postgres-operator" && one["version"] == "v1.15.1").unwrap();
    let folder = released["path"].as_str().unwrap();
    format!(
        "{{ ours: {{ binary: {folder}/bin/postgres-operator, manifests: {folder}/manifests, version: v1.15.1-ours }} }}"
    )
}

#[test]
fn an_environment_that_a_run_keeps_goes_on_until_it_is_taken_down() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("scenarios/up")).unwrap();
    fs::write(folder.path().join("scenarios/up/kept.yaml"), NOTHING_TO_DO).unwrap();
    let mut command = in_folder(folder.path());
    command.args(["run", "scenarios", "--keep", "--update", "--junit", "out/junit.xml"]);
    command.env("CLONEDRILL_OPERATORS", ours());
    let mut run = Run::start(command, folder.path().join("output"));
    let status = run.end_within(MIDDLE);
    let said = run.said();
    let kept = said.split("`clonedrill down ").nth(1).and_then(|rest| rest.split('`').next());
    let kept = Kept(kept.unwrap_or_else(|| panic!("{said}")).to_owned());
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(run.seen.values().any(|process| process.name == "kube-apiserver" && process.lives()), "{said}");
    assert!(fs::read_to_string(folder.path().join("out/junit.xml")).unwrap().contains("up-kept"));
    let accepted = fs::read_to_string(folder.path().join("snapshots/up/kept/ours.logs.snap")).unwrap();
    assert!(accepted.contains("operator"), "{accepted}");
    let mut outside = start(folder.path(), &["kubeconfig", "--name", &kept.0]);
    assert_eq!(outside.end().code(), Some(3), "{}", outside.said());
    assert!(outside.said().contains("it is not reached from outside"), "{}", outside.said());
    assert_eq!(kept.down().code(), Some(0));
    run.leaves_nothing();
}

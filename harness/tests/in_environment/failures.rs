//! What becomes of a run whose input, parts or processes fail: exit codes, what is said, and that nothing is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::foreign::root_with;
use crate::process::{MIDDLE, Run, signal};
use clonedrill::toolchain::users;
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");

/// A world with an operator and one cluster, which the drill waits for in the middle.
const ONE_CLUSTER: &str = r#"
about: A cluster that is being created.
operator: { versions: [v1.15.1] }
storage: { accounts: [unused] }
clusters:
  source:
    apiVersion: acid.zalan.do/v1
    kind: postgresql
    metadata: { name: acid-orders }
    spec:
      teamId: acid
      numberOfInstances: 1
      volume: { size: 1Gi }
      postgresql: { version: "${postgres.version}" }
      users: { orders: [] }
      databases: { orders: orders }
steps:
  - create: source
expect:
  source: { outcome: running }
"#;

/// A folder with scenarios, in which `clonedrill` is run.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("failures")).unwrap();
        fs::create_dir(folder.temporary()).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Writes [`ONE_CLUSTER`] with one text replaced; it must be there once.
    fn scenario(&self, slug: &str, from: &str, to: &str) -> String {
        assert_eq!(ONE_CLUSTER.matches(from).count(), 1, "{from:?} must be in the scenario once");
        let file = format!("failures/{slug}.yaml");
        let text = format!("name: failures-{slug}{}", ONE_CLUSTER.replace(from, to));
        fs::write(self.path().join(&file), text).unwrap();
        file
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.path()).env("TMPDIR", self.temporary());
        // An environment of its own, with which it may do what it likes.
        command.env_remove("CLONEDRILL_SHARE");
        command
    }

    fn start(&self, command: Command) -> Run {
        Run::start(command, self.path().join("output"))
    }

    /// Whether a run has left traces of having started something.
    fn started_nothing(&self) -> bool {
        !self.path().join("target").exists()
    }
}

/// Whatever lines it is broken into.
fn says(said: &str, words: &[&str]) {
    let flat = said.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<&&str> = words.iter().filter(|words| !flat.contains(**words)).collect();
    assert!(missing.is_empty(), "it does not say {missing:?}:\n{said}");
}

/// A caret below the word at fault.
const CARET: &str = "╰──";

#[test]
fn a_mistake_in_the_file_is_shown_and_nothing_starts() {
    let cases = [
        ("field", "about:", "abuot:", "2:1", "did you mean `about`?"),
        ("type", "accounts: [unused]", "accounts: unused", "4:22", "accounts"),
        ("cluster", "create: source", "create: sourec", "18:13", "did you mean `source`?"),
        ("mark", "orders: []", "orders: [\"${marks.early.time}\"]", "15:26", "early"),
        ("account", "orders: []", "orders: [\"${storage.unusde.key}\"]", "15:26", "unused"),
        ("version", "v1.15.1", "1.15.1", "3:24", "the nearest that can be had: v1.15.1"),
        ("major", "v1.15.1", "v2.0.0", "3:24", "binary: …"),
    ];
    for (slug, from, to, place, help) in cases {
        let folder = Folder::new();
        let file = folder.scenario(slug, from, to);
        let mut run = folder.start(folder.command(&["run", &file]));
        assert_eq!(run.end().code(), Some(2), "{}", run.said());
        says(&run.said(), &[&format!("{file}:{place}]"), CARET, help]);
        assert!(folder.started_nothing(), "{slug}");
    }
}

#[test]
fn an_operator_that_cannot_be_had_is_shown_where_the_file_names_it() {
    let folder = Folder::new();
    let file = folder.scenario("operator", "v1.15.1", "v1.15.99");
    let mut command = folder.command(&["run", &file]);
    // A module proxy that has nothing, so that no network is needed.
    command.env("GOPROXY", format!("file://{}", folder.temporary().display()));
    let mut run = folder.start(command);
    assert_eq!(run.end().code(), Some(2), "{}", run.said());
    says(&run.said(), &[&format!("{file}:3:24]"), CARET, "the nearest that can be had: v1.15.1"]);
    assert!(folder.started_nothing());
}

#[test]
fn a_manifest_that_the_api_server_rejects_is_shown_with_its_field() {
    let folder = Folder::new();
    folder.scenario("instances", "numberOfInstances: 1", "numberOfInstances: \"two\"");
    folder.scenario("version", "version: \"${postgres.version}\"", "version: \"3\"");
    folder.scenario("unknown", "numberOfInstances: 1", "numberOfInstance: 1");
    let mut run = folder.start(folder.command(&["run", "failures"]));
    assert_eq!(run.end_within(MIDDLE).code(), Some(2), "{}", run.said());
    says(
        &run.said(),
        &[
            "failures/instances.yaml:12:26]",
            "failures/version.yaml:14:30]",
            CARET,
            "\"3\"",
            "failures/unknown.yaml:12:7]",
            "did you mean `numberOfInstances`?",
        ],
    );
    run.leaves_nothing();
}

/// It is etcd, as far as anybody can tell by asking.
const FULL_DISK: &str = "#!/bin/sh
[ \"$1\" != --version ] || { echo 'etcd Version: 3.6.6'; exit; }
echo 'no space left on the device of this test'
exit 7
";

#[test]
fn a_part_that_does_not_come_up_is_named_with_its_last_lines() {
    let folder = Folder::new();
    let file = folder.scenario("part", "v1.15.1", "v1.15.1");
    let etcd = folder.path().join("etcd");
    fs::write(&etcd, FULL_DISK).unwrap();
    fs::set_permissions(&etcd, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = folder.command(&["run", &file]);
    command.env("CLONEDRILL_ETCD", &etcd);
    let mut run = folder.start(command);
    assert_eq!(run.end().code(), Some(3), "{}", run.said());
    says(&run.said(), &["run etcd", "exit status: 7", "no space left on the device of this test"]);
    run.leaves_nothing();
}

#[test]
fn a_part_of_the_environment_that_is_killed_is_named() {
    killed_in_the_middle("kube-apiserver", "run kube-apiserver: it ended by itself (signal: 9");
}

#[test]
fn a_storage_that_is_killed_is_named() {
    let folder = killed_in_the_middle("node", "run Azurite");
    // Observing broke too, so that the bundle has what it did not come to.
    let evidence = evidence(folder.path());
    for name in ["bundle/pods/acid-orders-0.yaml", "bundle/events.txt", "storage.json"] {
        assert!(evidence.join(name).is_file(), "{name} is missing in {}", evidence.display());
    }
    let logs = fs::read_dir(evidence.join("logs")).unwrap().flatten().map(|log| log.file_name());
    let logs: Vec<String> = logs.map(|name| name.to_string_lossy().into_owned()).collect();
    for log in ["acid-orders-0.postgres.0.log", "postgres-operator"] {
        assert!(logs.iter().any(|name| name.starts_with(log)), "no {log} in {logs:?}");
    }
}

/// The only drill's.
fn evidence(folder: &Path) -> PathBuf {
    let run = fs::read_dir(folder.join("target/clonedrill")).unwrap().flatten().next().unwrap();
    run.path().join("failures/killed/v1.15.1")
}

fn killed_in_the_middle(program: &str, said: &str) -> Folder {
    let folder = Folder::new();
    let file = folder.scenario("killed", "v1.15.1", "v1.15.1");
    let mut run = folder.start(folder.command(&["run", &file]));
    run.until_cluster_runs();
    let part = run.until_runs(program);
    signal(part, Signal::SIGKILL);
    assert_eq!(run.end().code(), Some(3), "{}", run.said());
    says(&run.said(), &[said]);
    run.leaves_nothing();
    folder
}

#[test]
fn ctrl_c_stops_a_drill_and_leaves_nothing() {
    let folder = Folder::new();
    let file = folder.scenario("interrupted", "v1.15.1", "v1.15.1");
    let mut run = folder.start(folder.command(&["run", &file]));
    run.until_cluster_runs();
    signal(run.id(), Signal::SIGINT);
    assert_eq!(run.end().code(), Some(130), "{}", run.said());
    run.leaves_nothing();
}

#[test]
fn a_run_that_is_killed_leaves_nothing() {
    killed_run_leaves_nothing(&Folder::new(), "v1.15.1", "v1.15.1", "postgres");
}

/// The layers of an image are mounted for each of its containers.
#[test]
fn a_run_that_is_killed_leaves_nothing_of_a_foreign_image_mounted() {
    if !users::are_many_here() {
        eprintln!("not tested: this machine gives a sandbox one user only");
        return;
    }
    let folder = Folder::new();
    let root = root_with(&["sh", "sleep"]);
    let others = format!("images: {{ others: {{ \"test/foreign:1\": {} }} }}\n", root.path().display());
    fs::write(folder.path().join("clonedrill.yaml"), others).unwrap();
    let sidecar = "users: { orders: [] }\n      sidecars: [{ name: waits, image: \"test/foreign:1\", command: [sleep, \"1000\"] }]";
    killed_run_leaves_nothing(&folder, "users: { orders: [] }", sidecar, "sleep");
}

fn killed_run_leaves_nothing(folder: &Folder, from: &str, to: &str, program: &str) {
    let before = traces();
    let file = folder.scenario("killed", from, to);
    let mut run = folder.start(folder.command(&["run", &file]));
    run.until_cluster_runs();
    run.until_runs(program);
    run.look();
    signal(run.id(), Signal::SIGKILL);
    run.child.wait().unwrap();
    run.leaves_nothing();
    let temporary: Vec<_> = fs::read_dir(folder.temporary()).unwrap().flatten().collect();
    assert!(temporary.is_empty(), "{temporary:?}");
    let left: Vec<String> = traces().into_iter().filter(|trace| !before.contains(trace)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Mounts and temporary files that bear the program's name, and mounts of layers.
fn traces() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let ours = |mount: &&str| mount.contains("clonedrill") || mount.contains("overlay");
    let mut all: Vec<String> = mounts.lines().filter(ours).map(str::to_owned).collect();
    for folder in ["/tmp", "/dev/shm"] {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.path().display().to_string());
        all.extend(names.filter(|name| name.contains("clonedrill")));
    }
    all
}

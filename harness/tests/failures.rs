//! What becomes of a run whose input, parts or processes fail: exit codes, what is said, and that nothing is left.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use clonedrill::poll::{Limit, Seen, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");
/// From exec to the operator ready takes 8 s on a quiet machine of two cores.
const MIDDLE: Limit = Limit::seconds(180);
/// For a run that has all reason to end, environment included.
const END: Limit = Limit::seconds(60);
/// The kernel ends a PID namespace at once; on a busy machine that takes a moment.
const GONE: Limit = Limit::seconds(20);

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

    fn start(&self, mut command: Command) -> Run {
        let output = self.path().join("output");
        let file = File::create(&output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Run { child: command.spawn().unwrap(), output, seen: BTreeMap::new() }
    }

    /// Whether a run has left traces of having started something.
    fn started_nothing(&self) -> bool {
        !self.path().join("target").exists()
    }
}

/// A running `clonedrill`, and every process that was seen below it.
struct Run {
    child: Child,
    output: PathBuf,
    /// By number and start time, since numbers come again.
    seen: BTreeMap<(i32, u64), Process>,
}

impl Run {
    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }

    fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn look(&mut self) {
        let roots = [self.id()];
        self.seen.extend(descendants(&roots).into_iter().map(|process| (process.key(), process)));
    }

    /// Waits until a program of this name, as the kernel cuts it to 15 bytes, runs below it.
    fn until_runs(&mut self, name: &str) -> i32 {
        wait(&format!("{name} to run"), MIDDLE, || {
            self.look();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended before {name} ran: {status}\n{}", self.said());
            }
            let found = self.seen.values().find(|process| process.name == name && process.lives());
            found.map(|process| process.id).ok_or_else(|| self.names())
        })
    }

    fn until_cluster_runs(&mut self) {
        // Before there is an environment, PostgreSQL runs too, to be asked for its version.
        self.until_runs("kube-controller");
        self.until_runs("postgres");
    }

    fn end(&mut self) -> ExitStatus {
        self.end_within(END)
    }

    fn end_within(&mut self, limit: Limit) -> ExitStatus {
        wait("the run to end", limit, || {
            self.look();
            self.child.try_wait().unwrap().ok_or_else(|| self.said())
        })
    }

    /// Nothing that was ever seen below it still lives, a moment after its end.
    fn leaves_nothing(&self) {
        wait("all processes to be gone", GONE, || {
            let left: Vec<&Process> = self.seen.values().filter(|process| process.lives()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.seen.values().map(|process| process.name.as_str()).collect();
        format!("{}; said {}", names.join(" "), self.said())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Only after a failed assertion does it still run.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Clone)]
struct Process {
    id: i32,
    parent: i32,
    name: String,
    state: String,
    start: u64,
}

impl Process {
    fn read(id: i32) -> Option<Process> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name may hold anything, brackets too.
        let (before, after) = (text.find('(')?, text.rfind(')')?);
        let fields: Vec<&str> = text[after + 1..].split_whitespace().collect();
        Some(Process {
            id,
            parent: fields.get(1)?.parse().ok()?,
            name: text[before + 1..after].to_owned(),
            state: (*fields.first()?).to_owned(),
            start: fields.get(19)?.parse().ok()?,
        })
    }

    fn key(&self) -> (i32, u64) {
        (self.id, self.start)
    }

    /// One that is dead and not yet reaped holds nothing any more.
    fn lives(&self) -> bool {
        Process::read(self.id).is_some_and(|now| now.start == self.start && now.state != "Z")
    }
}

fn descendants(roots: &[i32]) -> Vec<Process> {
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Process> = ids.filter_map(Process::read).collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = roots.to_vec();
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.id);
            found.push(process.clone());
        }
    }
    found
}

/// Waits until `look` gives something; it says what it saw instead.
fn wait<T>(what: &str, limit: Limit, mut look: impl FnMut() -> Result<T, String>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = runtime.block_on(poll(what, limit, async || {
        Ok::<_, std::convert::Infallible>(match look() {
            Ok(value) => Seen::Done(value),
            Err(seen) => Seen::NotYet(seen),
        })
    }));
    waited.unwrap()
}

fn signal(id: i32, signal: Signal) {
    kill(Pid::from_raw(id), signal).unwrap();
}

fn says(said: &str, words: &[&str]) {
    let missing: Vec<&&str> = words.iter().filter(|words| !said.contains(**words)).collect();
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
        ("version", "v1.15.1", "latest", "3:24", "v1.15.1"),
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
    says(&run.said(), &[&format!("{file}:3:24]"), CARET, "v1.15.1"]);
    assert!(folder.started_nothing());
}

#[test]
fn a_manifest_that_the_api_server_rejects_is_shown_with_its_field() {
    let folder = Folder::new();
    folder.scenario("instances", "numberOfInstances: 1", "numberOfInstances: \"two\"");
    folder.scenario("version", "version: \"${postgres.version}\"", "version: \"3\"");
    let mut run = folder.start(folder.command(&["run", "failures"]));
    assert_eq!(run.end_within(MIDDLE).code(), Some(2), "{}", run.said());
    says(&run.said(), &["failures/instances.yaml:12:26]", "failures/version.yaml:14:30]", CARET, "\"3\""]);
    run.leaves_nothing();
}

#[test]
fn a_part_that_does_not_come_up_is_named_with_its_last_lines() {
    let folder = Folder::new();
    let file = folder.scenario("part", "v1.15.1", "v1.15.1");
    let etcd = folder.path().join("etcd");
    fs::write(&etcd, "#!/bin/sh\necho 'no space left on the device of this test'\nexit 7\n").unwrap();
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
    killed_in_the_middle("node", "run Azurite");
}

fn killed_in_the_middle(program: &str, said: &str) {
    let folder = Folder::new();
    let file = folder.scenario("killed", "v1.15.1", "v1.15.1");
    let mut run = folder.start(folder.command(&["run", &file]));
    run.until_cluster_runs();
    let part = run.until_runs(program);
    signal(part, Signal::SIGKILL);
    assert_eq!(run.end().code(), Some(3), "{}", run.said());
    says(&run.said(), &[said]);
    run.leaves_nothing();
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
    let before = traces();
    let folder = Folder::new();
    let file = folder.scenario("killed", "v1.15.1", "v1.15.1");
    let mut run = folder.start(folder.command(&["run", &file]));
    run.until_cluster_runs();
    run.look();
    signal(run.id(), Signal::SIGKILL);
    run.child.wait().unwrap();
    run.leaves_nothing();
    let temporary: Vec<_> = fs::read_dir(folder.temporary()).unwrap().flatten().collect();
    assert!(temporary.is_empty(), "{temporary:?}");
    let left: Vec<String> = traces().into_iter().filter(|trace| !before.contains(trace)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Mounts and temporary files that bear the program's name.
fn traces() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut all: Vec<String> = mounts.lines().map(str::to_owned).collect();
    for folder in ["/tmp", "/dev/shm"] {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        all.extend(names.map(|entry| entry.path().display().to_string()));
    }
    all.retain(|trace| trace.contains("clonedrill"));
    all
}

#[test]
fn what_up_has_started_ends_with_its_outermost_process() {
    let folder = Folder::new();
    let name = format!("test-{}", std::process::id());
    let mut up = folder.start(folder.command(&["up", "--name", &name]));
    assert_eq!(up.end_within(MIDDLE).code(), Some(0), "{}", up.said());
    let said = up.said();
    let outermost = said.split("its outermost process is ").nth(1).and_then(|rest| rest.split('.').next());
    let outermost: i32 = outermost.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(up.seen.values().any(|process| process.id == outermost), "{}", up.names());
    let below = descendants(&[outermost]);
    assert!(below.iter().any(|process| process.name == "kube-apiserver"), "{below:?}");
    up.seen.extend(below.into_iter().map(|process| (process.key(), process)));
    signal(outermost, Signal::SIGKILL);
    up.leaves_nothing();
    let mut down = folder.start(folder.command(&["down", &name]));
    assert_eq!(down.end().code(), Some(0), "{}", down.said());
    says(&down.said(), &[&format!("no environment {name} runs")]);
}

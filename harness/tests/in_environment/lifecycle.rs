//! The life of an environment: with its owner, without one, when it is told to end, and when a part of it hangs or dies.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{GONE, MIDDLE, Process, Run, descendants, signal, wait};
use clonedrill::environment::shared::{self, Obtained};
use clonedrill::toolchain::{self, Configuration, Silent, Tools};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");

fn tools() -> Tools {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    toolchain::ensure(&Configuration::load(&root).unwrap(), &["v1.15.1".to_owned()], &Silent).unwrap()
}

/// An environment of this test, and what it ends with.
struct Served {
    name: String,
    folder: tempfile::TempDir,
    owner: Child,
    run: Run,
    tools: Tools,
    runtime: tokio::runtime::Runtime,
}

impl Served {
    /// Starts it, and does not wait until it is ready.
    fn start(test: &str) -> Self {
        let (tools, folder) = (tools(), tempfile::tempdir().unwrap());
        let name = format!("test-{test}-{}", std::process::id());
        let owner = Command::new("sleep").arg("1000").spawn().unwrap();
        let wanted = folder.path().join("tools");
        std::fs::write(&wanted, serde_json::to_vec(&tools).unwrap()).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["environment", "--name", &name, "--owner", &owner.id().to_string()]);
        command.stdin(Stdio::from(std::fs::File::open(wanted).unwrap()));
        let run = Run::start(command, folder.path().join("log"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Served { name, folder, owner, run, tools, runtime: runtime.unwrap() }
    }

    fn ready(test: &str) -> (Self, Obtained) {
        let mut served = Served::start(test);
        let obtained = served.until_ready();
        (served, obtained)
    }

    fn until_ready(&mut self) -> Obtained {
        // Before somebody listens, this process would be taken for the program that starts an environment.
        wait("somebody to listen", GONE, || shared::outermost(&self.name).map_err(|error| error.to_string()));
        let (log, own) = (self.folder.path().join("log"), Some(std::process::id()));
        let obtained = shared::obtain(&self.tools, &self.name, own, &log, &|_| {});
        let obtained = self.runtime.block_on(obtained).unwrap();
        self.run.look();
        obtained
    }

    /// The process that serves it.
    fn daemon(&self) -> i32 {
        self.init_and_daemon()[1]
    }

    /// What is below the outermost process, one below the other.
    fn init_and_daemon(&self) -> [i32; 2] {
        let below = |id| {
            let mut children = descendants(&[id]);
            children.retain(|process| process.name == "clonedrill");
            children
        };
        let all: Vec<Process> = below(self.run.id());
        assert_eq!(all.len(), 2, "{all:?}");
        [all[0].id, all[1].id]
    }

    fn part(&self, name: &str) -> i32 {
        self.run.seen.values().find(|process| process.name == name).unwrap_or_else(|| panic!("no {name}")).id
    }

    fn down(&self) -> (Option<i32>, String) {
        let mut command = Command::new(BINARY);
        command.args(["down", &self.name]);
        let mut down = Run::start(command, self.folder.path().join("down"));
        (down.end().code(), down.said())
    }

    /// Everything is gone, the outermost process too.
    fn leaves_nothing(mut self) {
        self.run.end();
        self.run.leaves_nothing();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.owner.kill();
        let _ = self.owner.wait();
    }
}

#[test]
fn down_ends_an_environment_that_runs_or_starts() {
    let mut served = Served::start("down");
    // It never gets ready.
    signal(served.run.until_runs("kube-apiserver"), Signal::SIGSTOP);
    let (code, said) = served.down();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(served.run.end().code(), Some(0), "it has ended by itself, not been killed");
    served.leaves_nothing();

    let (served, _obtained) = Served::ready("down");
    let (code, said) = served.down();
    assert_eq!((code, said), (Some(0), format!("the environment {} has ended\n", served.name)));
    served.leaves_nothing();
}

#[test]
fn an_environment_that_hangs_ends_with_down_and_with_its_owner() {
    let (served, _obtained) = Served::ready("hangs");
    signal(served.daemon(), Signal::SIGSTOP);
    let (code, said) = served.down();
    assert_eq!(code, Some(0), "{said}");
    served.leaves_nothing();

    let (mut served, _obtained) = Served::ready("hangs");
    signal(served.daemon(), Signal::SIGSTOP);
    served.owner.kill().unwrap();
    served.owner.wait().unwrap();
    served.leaves_nothing();
}

#[test]
fn an_environment_that_is_kept_goes_on_without_its_owner() {
    let (mut served, obtained) = Served::ready("kept");
    served.runtime.block_on(shared::keep(&served.name)).unwrap();
    served.owner.kill().unwrap();
    served.owner.wait().unwrap();
    let failed = served.runtime.block_on(obtained.failed_within(Duration::from_secs(2)));
    assert_eq!(failed, None);
    assert_eq!(served.down().0, Some(0));
    served.leaves_nothing();
}

#[test]
fn a_part_that_dies_is_named_and_takes_the_rest_along() {
    for (part, said) in [
        ("etcd", "run etcd: it ended by itself (signal: 9"),
        ("kube-controller", "run kube-controller-manager: it ended by itself (signal: 9"),
    ] {
        let (served, obtained) = Served::ready("part");
        signal(served.part(part), Signal::SIGKILL);
        let failed = served.runtime.block_on(obtained.failed_within(GONE.total)).unwrap();
        assert!(failed.starts_with(said), "{failed}");
        served.leaves_nothing();
    }
}

#[test]
fn a_part_that_dies_while_others_wait_for_it_is_named_at_once() {
    let mut served = Served::start("early");
    let etcd = served.run.until_runs("etcd");
    served.run.until_runs("kube-apiserver");
    signal(etcd, Signal::SIGKILL);
    served.run.end();
    says(&served, "run etcd: it ended by itself (signal: 9");
    served.leaves_nothing();
}

#[test]
fn the_daemon_or_init_that_dies_takes_all_along() {
    for which in [0, 1] {
        let (served, obtained) = Served::ready("daemon");
        signal(served.init_and_daemon()[which], Signal::SIGKILL);
        let failed = served.runtime.block_on(obtained.failed_within(GONE.total)).unwrap();
        assert!(failed.starts_with("run the environment's process: it has gone without a word"), "{failed}");
        served.leaves_nothing();
    }
}

#[test]
fn up_that_is_stopped_while_it_starts_leaves_nothing() {
    for stop in [Signal::SIGINT, Signal::SIGKILL] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(BINARY);
        command.args(["up", "--name", &format!("test-up-{}", std::process::id())]).current_dir(folder.path());
        let mut up = Run::start(command, folder.path().join("log"));
        up.until_runs("kube-apiserver");
        signal(up.id(), stop);
        let code = up.end_within(MIDDLE).code();
        assert_ne!(code, Some(0), "{}", up.said());
        up.leaves_nothing();
    }
}

fn says(served: &Served, words: &str) {
    let said = served.run.said();
    assert!(said.contains(words), "it does not say {words:?}:\n{said}");
}

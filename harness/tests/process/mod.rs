//! A running `clonedrill`, what it says, and every process below it.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use clonedrill::poll::{Limit, Seen, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// From exec to the operator ready takes 8 s on a quiet machine of two cores.
pub(crate) const MIDDLE: Limit = Limit::seconds(180);
/// For a run that has all reason to end, environment included.
pub(crate) const END: Limit = Limit::seconds(60);
/// The kernel ends a PID namespace at once; on a busy machine that takes a moment.
pub(crate) const GONE: Limit = Limit::seconds(20);

/// A running `clonedrill`, and every process that was seen below it.
pub(crate) struct Run {
    pub child: Child,
    output: PathBuf,
    /// By number and start time, since numbers come again.
    pub seen: BTreeMap<(i32, u64), Process>,
}

impl Run {
    /// Starts `command`, whose output goes to a file.
    pub(crate) fn start(mut command: Command, output: PathBuf) -> Self {
        let file = File::create(&output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Run { child: command.spawn().unwrap(), output, seen: BTreeMap::new() }
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn look(&mut self) {
        let roots = [self.id()];
        self.seen.extend(descendants(&roots).into_iter().map(|process| (process.key(), process)));
    }

    /// Waits until a program of this name, as the kernel cuts it to 15 bytes, runs below it.
    pub(crate) fn until_runs(&mut self, name: &str) -> i32 {
        wait(&format!("{name} to run"), MIDDLE, || {
            self.look();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended before {name} ran: {status}\n{}", self.said());
            }
            let found = self.seen.values().find(|process| process.name == name && process.lives());
            found.map(|process| process.id).ok_or_else(|| self.names())
        })
    }

    pub(crate) fn until_cluster_runs(&mut self) {
        // Before there is an environment, PostgreSQL runs too, to be asked for its version.
        self.until_runs("kube-controller");
        self.until_runs("postgres");
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        self.end_within(END)
    }

    pub(crate) fn end_within(&mut self, limit: Limit) -> ExitStatus {
        wait("the run to end", limit, || {
            self.look();
            self.child.try_wait().unwrap().ok_or_else(|| self.said())
        })
    }

    /// Nothing that was ever seen below it still lives, a moment after its end.
    pub(crate) fn leaves_nothing(&self) {
        wait("all processes to be gone", GONE, || {
            let left: Vec<&Process> = self.seen.values().filter(|process| process.lives()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    pub(crate) fn names(&self) -> String {
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
pub(crate) struct Process {
    pub id: i32,
    pub parent: i32,
    pub name: String,
    state: String,
    start: u64,
}

impl Process {
    pub(crate) fn read(id: i32) -> Option<Process> {
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

    pub(crate) fn key(&self) -> (i32, u64) {
        (self.id, self.start)
    }

    /// One that is dead and not yet reaped holds nothing any more.
    pub(crate) fn lives(&self) -> bool {
        Process::read(self.id).is_some_and(|now| now.start == self.start && now.state != "Z")
    }
}

pub(crate) fn descendants(roots: &[i32]) -> Vec<Process> {
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
pub(crate) fn wait<T>(what: &str, limit: Limit, mut look: impl FnMut() -> Result<T, String>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = runtime.block_on(poll(what, limit, async || {
        Ok::<_, std::convert::Infallible>(match look() {
            Ok(value) => Seen::Done(value),
            Err(seen) => Seen::NotYet(seen),
        })
    }));
    waited.unwrap()
}

pub(crate) fn signal(id: i32, signal: Signal) {
    kill(Pid::from_raw(id), signal).unwrap();
}

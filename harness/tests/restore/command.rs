//! A `clonedrill` that runs, with what it says on stdout and on stderr.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use clonedrill::poll::Limit;
use nix::sys::signal::Signal;

use crate::process::{signal, wait};

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");
/// A drill takes half a minute on a quiet machine.
pub(crate) const DRILL: Limit = Limit::seconds(240);

pub(crate) struct Running {
    child: Child,
    output: [PathBuf; 2],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Both, with lines joined that were broken for a narrow terminal.
    pub(crate) fn said(&self) -> String {
        let both = format!("{}\n{}", self.stderr, self.stdout);
        both.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
    }
}

/// With `folder` as its own, and nothing of the caller's.
pub(crate) fn clonedrill(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env("TMPDIR", folder);
    command.env_remove("CLONEDRILL_SHARE").env_remove("KUBECONFIG");
    command
}

impl Running {
    /// Its output goes to files in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let output = ["stdout", "stderr"].map(|name| folder.join(format!("{count}.{name}")));
        command.stdout(File::create(&output[0]).unwrap()).stderr(File::create(&output[1]).unwrap());
        Running { child: command.spawn().unwrap(), output }
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(i32::try_from(self.child.id()).unwrap(), what);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has said `text` on stderr.
    pub(crate) fn until_says(&mut self, text: &str) {
        wait(&format!("it to say `{text}`"), DRILL, || {
            let ended = self.child.try_wait().unwrap();
            let said = read(&self.output[1]);
            match said.contains(text) {
                true => Ok(()),
                false => {
                    assert_eq!(ended, None, "it ended and never said `{text}`: {said}");
                    Err(said)
                }
            }
        });
    }

    /// Whether it has said `text` on stderr.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        read(&self.output[1]).contains(text)
    }

    pub(crate) fn end(&mut self) -> Ended {
        self.end_within(DRILL)
    }

    pub(crate) fn end_within(&mut self, limit: Limit) -> Ended {
        let status = wait("the command to end", limit, || {
            self.child.try_wait().unwrap().ok_or_else(|| read(&self.output[1]))
        });
        Ended { code: status.code(), stdout: read(&self.output[0]), stderr: read(&self.output[1]) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only after a failed assertion does it still run.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

//! The hidden process `clonedrill layers`: it has the users of a sandbox, so that what it unpacks belongs to whom it shall,
//! and what it removes it may. It reads an [`Order`] on stdin, answers on stdout, and ends when stdin does.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use serde::{Deserialize, Serialize};

use super::super::progress::PartProgress;
use super::super::users::{self, Users};
use super::cached::{Layers, Note};
use super::error::ImagesError;
use super::layer::Layer;
use crate::tie::tie;

const MEGABYTE: u64 = 1_000_000;
/// How often it is said how far an unpacking is.
const TELL: Duration = Duration::from_millis(200);
/// The exit code of one that nobody wants any more.
const UNWANTED: i32 = 130;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// Whether there are many users.
    Users,
    Unpack {
        folder: PathBuf,
        layer: Layer,
        many: bool,
    },
    Prune {
        folder: PathBuf,
        keep: BTreeSet<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Many(bool),
    Waits,
    Reached(u64),
    Unpacked(Note),
    /// In bytes.
    Freed(u64),
    Failed(String),
}

/// Does what stands on stdin. Must be called before any thread exists.
pub fn main() {
    let mut order = String::new();
    let mut stdin = BufReader::new(std::io::stdin());
    let answer = match stdin.read_line(&mut order).map_err(|error| error.to_string()) {
        Ok(_) => serve(&order, stdin).unwrap_or_else(Answer::Failed),
        Err(why) => Answer::Failed(format!("read stdin: {why}")),
    };
    say(&answer);
}

fn serve(order: &str, stdin: impl Read + Send + 'static) -> Result<Answer, String> {
    let order: Order = serde_json::from_str(order).map_err(|error| error.to_string())?;
    let entered = users::enter_namespaces(CloneFlags::empty());
    let many = entered.map_err(|error| format!("make a user namespace: {error}"))?.are_many();
    // Whoever wants it has gone, or wants it no more.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut { stdin }, &mut std::io::sink());
        std::process::exit(UNWANTED);
    });
    match order {
        Order::Users => Ok(Answer::Many(many)),
        Order::Unpack { many: wanted, .. } if wanted != many => {
            Err("map the users that there were a moment ago".to_owned())
        }
        Order::Unpack { folder, layer, many } => {
            let last = Mutex::new(Instant::now());
            let told = |bytes| {
                let Ok(mut last) = last.lock() else { return };
                if last.elapsed() >= TELL {
                    *last = Instant::now();
                    say(&Answer::Reached(bytes));
                }
            };
            let filled = Layers::in_folder(&folder).fill(&layer, many, || say(&Answer::Waits), told);
            filled.map(Answer::Unpacked).map_err(|error| error.to_string())
        }
        Order::Prune { folder, keep } => {
            Layers::in_folder(&folder).prune(&keep).map(Answer::Freed).map_err(|error| error.to_string())
        }
    }
}

/// Where nobody listens any more, there is nobody to tell.
fn say(answer: &Answer) {
    if let Ok(mut line) = serde_json::to_vec(answer) {
        line.push(b'\n');
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

/// Asks the process; it ends with whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    program: PathBuf,
}

impl Worker {
    /// With this very program.
    pub(super) fn new() -> Result<Self, ImagesError> {
        let program = std::env::current_exe().map_err(|error| ImagesError::Worker(error.to_string()))?;
        Ok(Worker { program })
    }

    /// The users that a sandbox has here, as they were found by making one.
    pub(super) fn users(&self) -> Result<Users, ImagesError> {
        match self.ask(&Order::Users, None)? {
            Answer::Many(true) => Ok(Users::allowed().0),
            _ => Ok(Users::One),
        }
    }

    /// Makes sure that a layer is unpacked.
    pub(super) fn unpack(
        &self,
        folder: &Path,
        layer: &Layer,
        many: bool,
        progress: &dyn PartProgress,
    ) -> Result<Note, ImagesError> {
        let order = Order::Unpack { folder: folder.to_owned(), layer: layer.clone(), many };
        match self.ask(&order, Some((progress, layer.at.length)))? {
            Answer::Unpacked(note) => Ok(note),
            other => Err(ImagesError::Worker(format!("it said {other:?}"))),
        }
    }

    /// Removes all layers but these; what they took, in bytes.
    pub(super) fn prune(&self, folder: &Path, keep: &BTreeSet<String>) -> Result<u64, ImagesError> {
        match self.ask(&Order::Prune { folder: folder.to_owned(), keep: keep.clone() }, None)? {
            Answer::Freed(bytes) => Ok(bytes),
            other => Err(ImagesError::Worker(format!("it said {other:?}"))),
        }
    }

    fn ask(&self, order: &Order, progress: Option<(&dyn PartProgress, u64)>) -> Result<Answer, ImagesError> {
        let failed = |error: std::io::Error| ImagesError::Worker(error.to_string());
        let mut command = Command::new(&self.program);
        command.arg("layers").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        tie(&mut command);
        let mut worker = Ended(command.spawn().map_err(failed)?);
        let mut stdin = worker.0.stdin.take();
        if let Some(stdin) = &mut stdin {
            let mut line = serde_json::to_vec(order).map_err(|error| failed(error.into()))?;
            line.push(b'\n');
            stdin.write_all(&line).map_err(failed)?;
        }
        let Some(stdout) = worker.0.stdout.take() else {
            return Err(ImagesError::Worker("it has no stdout".to_owned()));
        };
        for line in BufReader::new(stdout).lines() {
            let answer = serde_json::from_str(&line.map_err(failed)?);
            let answer = answer.map_err(|error| ImagesError::Worker(error.to_string()))?;
            if progress.is_some_and(|(progress, _)| progress.stopped()) {
                return Err(ImagesError::Interrupted);
            }
            match (answer, progress) {
                (Answer::Reached(bytes), Some((progress, of))) => {
                    progress.reached(bytes / MEGABYTE, of / MEGABYTE);
                    progress.says("unpacking, in MB");
                }
                (Answer::Waits, Some((progress, _))) => progress.waits("another process, which unpacks it"),
                (Answer::Reached(_) | Answer::Waits, None) => {}
                (Answer::Failed(why), _) => return Err(ImagesError::Unpack(why)),
                (answer, _) => return Ok(answer),
            }
        }
        Err(ImagesError::Worker("it ended without a word".to_owned()))
    }
}

/// Killed and waited for, whatever becomes of the asking. What it has begun, the next one sweeps.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

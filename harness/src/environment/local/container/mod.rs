//! The hidden process `clonedrill container`: makes a container's root file system and namespaces, then
//! becomes its supervisor. It reads a [`Request`] on stdin and answers on stdout; see [`Report`].

mod capabilities;
mod enter;
mod etc;
mod init;
mod layers;
mod mounts;
mod program;
mod rootfs;
mod user;

use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, fork, sethostname, setsid};
use serde::{Deserialize, Serialize};

use self::program::Outcome;
use super::images::{Image, Root};
use super::tie::Tie;

pub use capabilities::Capabilities;
pub use user::{Identity, Many};

pub(in crate::environment) use etc::{FROM_HOST, NSSWITCH, group, passwd};
pub(in crate::environment) use rootfs::{FOLDERS, SYSTEM};

/// What the process is to do. Travels over stdin, since the environment holds secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// One attempt of one container, to its end.
    Start(Box<ContainerSpec>),
    /// One program in a container that runs.
    Exec(ExecSpec),
}

/// Everything that one attempt of one container is made of.
#[derive(Debug, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// `spec.hostname`, else the pod's name, at most 63 characters.
    pub hostname: String,
    /// The pod's network namespace, as a path that can be opened.
    pub network: PathBuf,
    /// An empty folder to mount the root file system on.
    pub root: PathBuf,
    /// This very program on the host.
    pub own_program: PathBuf,
    /// The folder that becomes `/etc/ssl/certs`.
    pub certificates: PathBuf,
    /// The text of `/etc/hosts`.
    pub hosts: String,
    /// The text of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// What its root file system is made of.
    pub image: Image,
    /// As whom it runs: by the container's context, else the pod's, else the image's user.
    pub identity: Identity,
    /// The first is the program, looked for on the `PATH` of `env`.
    pub argv: Vec<String>,
    /// All of it; nothing is inherited. Secrets are in it.
    pub env: Vec<(String, String)>,
    /// Made where it is missing.
    pub working_dir: PathBuf,
    /// One that lies in another goes after it, whatever the order here.
    pub mounts: Vec<Mount>,
    /// Only what is mounted can be written to.
    pub read_only_root: bool,
}

/// A folder or file of the host seen in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// In the container; made where it is missing.
    pub target: PathBuf,
    /// Also for root.
    pub read_only: bool,
}

/// A program to run inside a container that is running.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecSpec {
    /// The container's init, as the node sees it.
    pub pid: i32,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// All of it; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// In the container.
    pub working_dir: PathBuf,
    /// As whom the container's own program runs.
    pub identity: Identity,
}

/// One line of JSON on stdout. The pipe's end without a `Failed` says that the program runs.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The container's init, as the node sees it.
    Init(i32),
    /// Why the program does not run, as the step that the kernel refused.
    Failed(String),
}

/// A step of the set-up that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct SetupError {
    what: String,
    source: std::io::Error,
}

/// Names the step that failed.
trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, SetupError>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, SetupError> {
        self.map_err(|errno| SetupError { what: what(), source: errno.into() })
    }
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, SetupError> {
        self.map_err(|source| SetupError { what: what(), source })
    }
}

/// The signal by which the node asks a supervisor to kill its container at once.
pub const KILL: Signal = Signal::SIGUSR2;

/// The exit code of a container that could not be set up.
pub const CANNOT_RUN: i32 = 128;

/// Runs the request on stdin; returns the exit code to leave with. Must be called before any thread exists.
pub fn main() -> i32 {
    let mut text = Vec::new();
    let request = std::io::stdin().read_to_end(&mut text).and_then(|_| Ok(serde_json::from_slice(&text)?));
    match request {
        Ok(Request::Start(spec)) => program::with_outcome(|outcome| start(&spec, outcome)),
        Ok(Request::Exec(spec)) => enter::main(&spec),
        Err(error) => program::with_outcome(|_| {
            Err(SetupError { what: "read the request on stdin".to_owned(), source: error })
        }),
    }
}

/// Runs a program as the only child of process 1, which this is in a container of another node: what nobody waits for is
/// reaped, and signals reach the program. Gives its exit code, or 128 + the signal's number.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// When the program cannot be started.
pub fn run_below(argv: &[String]) -> Result<i32, SetupError> {
    let env: Vec<(String, String)> = std::env::vars().collect();
    let signals = init::block_signals().during(|| "block signals".to_owned())?;
    // SAFETY: no other thread exists.
    match unsafe { fork() }.during(|| "fork the program".to_owned())? {
        ForkResult::Parent { child } => {
            init::supervise(child, &signals).during(|| "wait for the program".to_owned())
        }
        ForkResult::Child => {
            let error = program::replace_with(argv, &env, &signals);
            eprintln!("failed to {error}");
            std::process::exit(CANNOT_RUN);
        }
    }
}

/// Makes the container and waits for its end.
fn start(spec: &ContainerSpec, outcome: &Outcome) -> Result<i32, SetupError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).during(|| "tie the container to the node".to_owned())?;
    let network = std::fs::File::open(&spec.network).during(|| "open the pod's network".to_owned())?;
    setns(network.as_fd(), CloneFlags::CLONE_NEWNET).during(|| "enter the pod's network".to_owned())?;
    drop(network);
    let signals = init::block_signals().during(|| "block signals".to_owned())?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWPID,
    )
    .during(|| "make the container's namespaces".to_owned())?;
    let tie = Tie::new().during(|| "make a pipe".to_owned())?;
    // SAFETY: no other thread exists.
    match unsafe { fork() }.during(|| "fork the container's init".to_owned())? {
        ForkResult::Parent { child } => {
            let _held = tie.hold();
            outcome.say(&Report::Init(child.as_raw()));
            outcome.close();
            init::supervise(child, &signals).during(|| "wait for the container".to_owned())
        }
        ForkResult::Child => {
            let end = be_init(spec, outcome, &signals, tie);
            if let Err(error) = &end {
                outcome.say(&Report::Failed(error.to_string()));
            }
            std::process::exit(end.unwrap_or(CANNOT_RUN));
        }
    }
}

/// Runs as process 1 of the container.
fn be_init(
    spec: &ContainerSpec,
    outcome: &Outcome,
    signals: &init::Blocked,
    tie: Tie,
) -> Result<i32, SetupError> {
    setsid().during(|| "start a session".to_owned())?;
    sethostname(&spec.hostname).during(|| "set the host name".to_owned())?;
    match &spec.image.root {
        Root::Machine => rootfs::make(spec)?,
        Root::Layers(image) => layers::make(spec, image)?,
    }
    spec.identity.make_namespace()?;
    // Last, since a change of credentials clears it.
    tie.bind().during(|| "tie init to its supervisor".to_owned())?;
    spec.identity.give_up()?;
    let folder = &spec.working_dir;
    std::env::set_current_dir(folder).during(|| format!("enter the working folder {}", folder.display()))?;
    // SAFETY: no other thread exists.
    match unsafe { fork() }.during(|| "fork the program".to_owned())? {
        ForkResult::Parent { child } => {
            outcome.close();
            init::supervise(child, signals).during(|| "wait for the program".to_owned())
        }
        ForkResult::Child => {
            let error = match spec.identity.assume() {
                Ok(()) => program::replace_with(&spec.argv, &spec.env, signals),
                Err(error) => error,
            };
            outcome.say(&Report::Failed(error.to_string()));
            std::process::exit(CANNOT_RUN);
        }
    }
}

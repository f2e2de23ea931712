//! The namespaces that hold an environment: user, mount, network, PID, IPC and UTS, all of an ordinary user. Where the
//! machine lets it, the sandbox has many users, for images that have.
//!
//! Three processes: the *outermost*, which only waits, for the owner's end too; the sandbox's *init*, which dies with
//! the outermost and takes the whole PID namespace with it; and the daemon, for whose sake it all is. That the outermost
//! needs nothing of the others is why everything ends with the owner also when they hang.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};
use rustix::process::{PidfdFlags, pidfd_open};

use super::tie::Tie;
use crate::environment::EnvironmentError;
use crate::toolchain::users;

/// The one folder that an environment writes into: a tmpfs of the sandbox, gone when its last process is gone.
pub const STATE: &str = "/run/clonedrill";

/// What the namespaces are for a joining process: those of `/proc/<pid>/ns`, in the order to enter them.
pub const NAMESPACES: [&str; 6] = ["user", "mnt", "net", "ipc", "uts", "pid_for_children"];

/// The daemon's word to the outermost process that the owner may end and the environment goes on.
pub struct Keep(PipeWriter);

impl Keep {
    /// # Errors
    /// When the outermost process has gone; then this one ends in the same moment.
    pub fn tell(&self) -> Result<(), EnvironmentError> {
        io_step("tell the outermost process", (&self.0).write_all(b"k"))
    }
}

/// Makes the namespaces. Returns in the daemon's process only; the outermost process and the sandbox's init
/// wait for it and leave with its exit code. When `owner` ends, a process by its pidfd, all of it does, unless it was
/// told to keep going.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// What the kernel refused, for example user namespaces at all.
pub fn enter(owner: Option<OwnedFd>) -> Result<Keep, EnvironmentError> {
    io_step("make the namespaces", users::enter_namespaces(namespaces()))?;
    step(
        "keep mounts to the sandbox",
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>),
    )?;

    let (heard, keep) = io_step("make a pipe", io::pipe())?;
    let tie = io_step("make a pipe", Tie::new())?;
    if let Some(init) = fork_here()? {
        drop(keep);
        let _held = tie.hold();
        std::process::exit(watch_over(init, owner, &heard)?);
    }
    drop(heard);
    io_step("tie init to the outermost process", tie.bind())?;
    step(
        "mount /proc",
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, None::<&str>),
    )?;
    step("mount /run", mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NODEV, Some("mode=755")))?;
    io_step("make the state folder", fs::create_dir_all(STATE))?;

    let init = nix::unistd::getpid();
    if let Some(daemon) = fork_here()? {
        drop(keep);
        std::process::exit(wait_for(daemon));
    }
    die_with(init)?;
    Ok(Keep(keep))
}

/// Waits for the end of init or of the owner, whichever comes first; the exit code to leave with.
fn watch_over(init: Pid, mut owner: Option<OwnedFd>, keep: &PipeReader) -> Result<i32, EnvironmentError> {
    let number = rustix::process::Pid::from_raw(init.as_raw());
    let number = number.ok_or_else(|| io::Error::other("it has no number"));
    let opened = number.and_then(|number| Ok(pidfd_open(number, PidfdFlags::empty())?));
    let ended = io_step("watch init", opened)?;
    while let Some(watched) = owner.as_ref() {
        let wanted = |it| PollFd::new(it, PollFlags::POLLIN);
        let mut seen = [wanted(ended.as_fd()), wanted(keep.as_fd()), wanted(watched.as_fd())];
        match poll(&mut seen, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return step("watch init", Err(errno)),
        }
        let [init_ended, kept, owner_ended] = seen.map(|one| one.any().unwrap_or(false));
        // In this order: the owner may have ended because it heard that the environment goes on, and the pipe ends
        // with the daemon, which init is about to follow.
        if init_ended || kept {
            owner = None;
        } else if owner_ended {
            return Ok(0);
        }
    }
    Ok(wait_for(init))
}

fn namespaces() -> CloneFlags {
    CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
}

/// The child's id in the parent, nothing in the child.
fn fork_here() -> Result<Option<Pid>, EnvironmentError> {
    // SAFETY: called while the process has one thread, so the child may do anything.
    match step("fork", unsafe { fork() })? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// It may be dead before the signal is asked for, and then nobody would send it.
fn die_with(parent: Pid) -> Result<(), EnvironmentError> {
    step("tie the process to its parent", set_pdeathsig(Signal::SIGKILL))?;
    if getppid() != parent {
        std::process::exit(1);
    }
    Ok(())
}

/// Reaps everything until `child` has ended; its exit code, or 128 + the signal's number.
fn wait_for(child: Pid) -> i32 {
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return 128 + signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

fn step<T>(what: &str, result: nix::Result<T>) -> Result<T, EnvironmentError> {
    io_step(what, result.map_err(io::Error::from))
}

fn io_step<T>(what: &str, result: io::Result<T>) -> Result<T, EnvironmentError> {
    result.map_err(|source| EnvironmentError::Sandbox { what: what.to_owned(), source })
}

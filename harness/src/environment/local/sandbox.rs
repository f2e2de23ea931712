//! The namespaces that hold an environment: user, mount, network, PID, IPC and UTS, all of an ordinary user.
//!
//! Three processes: the *outermost*, which only waits; the sandbox's *init*, which dies with the outermost and
//! takes the whole PID namespace with it; and the daemon, for whose sake it all is.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, getppid};

use crate::environment::EnvironmentError;

/// The one folder that an environment writes into: a tmpfs of the sandbox, gone when its last process is gone.
pub const STATE: &str = "/run/clonedrill";

/// What the namespaces are for a joining process: those of `/proc/<pid>/ns`, in the order to enter them.
pub const NAMESPACES: [&str; 6] = ["user", "mnt", "net", "ipc", "uts", "pid_for_children"];

/// Makes the namespaces. Returns in the daemon's process only; the outermost process and the sandbox's init
/// wait for it and leave with its exit code.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// What the kernel refused, for example user namespaces at all.
pub fn enter() -> Result<(), EnvironmentError> {
    let (uid, gid) = (geteuid(), getegid());
    step("make the namespaces", unshare(namespaces()))?;
    // An unprivileged process may map its group only after it has given up setgroups.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    step(
        "keep mounts to the sandbox",
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>),
    )?;

    if let Some(init) = fork_here()? {
        std::process::exit(wait_for(init));
    }
    die_with_parent(None)?;
    step(
        "mount /proc",
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, None::<&str>),
    )?;
    step("mount /run", mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NODEV, Some("mode=755")))?;
    io_step("make the state folder", fs::create_dir_all(STATE))?;

    let init = nix::unistd::getpid();
    if let Some(daemon) = fork_here()? {
        std::process::exit(wait_for(daemon));
    }
    die_with_parent(Some(init))
}

fn namespaces() -> CloneFlags {
    CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
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

/// `parent`, where it can be named: it may be dead before the signal is asked for, and then nobody would send it.
/// Init's parent is outside of its PID namespace and shows as 0 either way; it cannot have reparented.
fn die_with_parent(parent: Option<Pid>) -> Result<(), EnvironmentError> {
    step("tie the process to its parent", set_pdeathsig(Signal::SIGKILL))?;
    if parent.is_some_and(|parent| getppid() != parent) {
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

fn write(path: impl AsRef<Path>, text: &str) -> Result<(), EnvironmentError> {
    let path = path.as_ref();
    io_step(&format!("write {}", path.display()), fs::write(path, text))
}

fn step<T>(what: &str, result: nix::Result<T>) -> Result<T, EnvironmentError> {
    io_step(what, result.map_err(io::Error::from))
}

fn io_step<T>(what: &str, result: io::Result<T>) -> Result<T, EnvironmentError> {
    result.map_err(|source| EnvironmentError::Sandbox { what: what.to_owned(), source })
}

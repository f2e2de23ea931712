//! Running a program inside a container that is there already, as `kubectl exec` does.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use nix::unistd::{ForkResult, fork, setsid};

use super::super::tie::Tie;
use super::{CANNOT_RUN, During, ExecSpec, SetupError, init, program};

/// Runs the program with our stdout and stderr; a set-up that fails is told on stderr as a shell would.
pub(super) fn main(spec: &ExecSpec) -> i32 {
    match enter(spec) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("exec in the container: {error}");
            CANNOT_RUN
        }
    }
}

fn enter(spec: &ExecSpec) -> Result<i32, SetupError> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .during(|| "tie the program to the node".to_owned())?;
    let container = pidfd(spec.pid).during(|| "find the container's init".to_owned())?;
    let signals = init::block_signals().during(|| "block signals".to_owned())?;
    setns(
        &container,
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )
    .during(|| "enter the container's namespaces".to_owned())?;
    std::env::set_current_dir(&spec.working_dir)
        .during(|| format!("enter the working folder {}", spec.working_dir.display()))?;
    spec.identity.give_up()?;
    let tie = Tie::new().during(|| "make a pipe".to_owned())?;
    // SAFETY: no other thread exists.
    match unsafe { fork() }.during(|| "fork the program".to_owned())? {
        ForkResult::Parent { child } => {
            let _held = tie.hold();
            init::supervise_session(child, &signals).during(|| "wait for the program".to_owned())
        }
        ForkResult::Child => {
            // A session of its own, so that it can be killed with all that it has started.
            let apart = setsid().during(|| "start a session".to_owned());
            let assumed = apart.and_then(|_| spec.identity.assume());
            // After it, since a change of credentials clears it.
            let tied = assumed.and_then(|()| tie.bind().during(|| "tie the program to the node".to_owned()));
            let error = match tied {
                Ok(()) => program::replace_with(&spec.argv, &spec.env, &signals),
                Err(error) => error,
            };
            eprintln!("{error}");
            // What a shell gives for a program that it does not find.
            std::process::exit(127);
        }
    }
}

fn pidfd(pid: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: the call takes plain numbers; its result is a descriptor of our own or negative.
    let fd = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    debug_assert!(fd.as_raw_fd() > 2);
    Ok(fd)
}

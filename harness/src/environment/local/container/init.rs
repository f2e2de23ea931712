//! The tiny init: reaps, passes signals on, and ends as its child ended. The supervisor outside does the same.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The signals that are waited for rather than acted on, and the mask that was there before.
pub(super) struct Blocked {
    waited: SigSet,
    before: SigSet,
}

const PASSED_ON: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1];

/// Blocks what [`supervise`] waits for, so that none is lost between fork and wait.
pub(super) fn block_signals() -> Result<Blocked, Errno> {
    let mut waited: SigSet = PASSED_ON.into_iter().collect();
    waited.add(Signal::SIGCHLD);
    waited.add(super::KILL);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&waited), Some(&mut before))?;
    Ok(Blocked { waited, before })
}

impl Blocked {
    /// For the program, which must not inherit blocked signals.
    pub(super) fn restore(&self) -> Result<(), Errno> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None)
    }
}

/// Waits for `child` and reaps whoever else ends; gives the exit code, or 128 + the signal's number.
pub(super) fn supervise(child: Pid, signals: &Blocked) -> Result<i32, Errno> {
    supervise_with(child, child, signals)
}

/// As [`supervise`], of a child that leads a session: when it is killed, all of its process group is.
pub(super) fn supervise_session(child: Pid, signals: &Blocked) -> Result<i32, Errno> {
    supervise_with(child, Pid::from_raw(-child.as_raw()), signals)
}

fn supervise_with(child: Pid, killed: Pid, signals: &Blocked) -> Result<i32, Errno> {
    loop {
        match signals.waited.wait()? {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(code);
                }
            }
            super::KILL => {
                forward(killed, Signal::SIGKILL);
                // It may not lead its session yet.
                forward(child, Signal::SIGKILL);
            }
            signal => forward(child, signal),
        }
    }
}

fn forward(child: Pid, signal: Signal) {
    // The child may be a zombie that is about to be reaped: nothing to tell it then.
    let _ = kill(child, signal);
}

fn reap(child: Pid) -> Result<Option<i32>, Errno> {
    let mut end = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => end = Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => end = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(end),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn end_of(script: &str, before_waiting: impl FnOnce(Pid)) -> i32 {
        let mut child = std::process::Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        before_waiting(Pid::from_raw(child.id() as i32));
        let status = child.wait().unwrap();
        status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap()
    }

    #[test]
    fn a_signal_for_a_child_that_is_gone_is_no_error() {
        let mut gone = None;
        assert_eq!(end_of("exit 7", |pid| gone = Some(pid)), 7);
        forward(gone.unwrap(), Signal::SIGTERM);
        assert_eq!(end_of("exec sleep 60", |pid| forward(pid, Signal::SIGTERM)), 143);
    }
}

//! Programs that end with the thread that starts them, however that ends.

use std::io;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};

/// A program that is to be started, with or without a runtime.
pub trait Start {
    /// What the child does between its fork and its program.
    ///
    /// # Safety
    /// As [`std::os::unix::process::CommandExt::pre_exec`].
    #[doc(hidden)]
    unsafe fn before(&mut self, what: impl FnMut() -> io::Result<()> + Send + Sync + 'static);
}

impl Start for std::process::Command {
    unsafe fn before(&mut self, what: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
        // SAFETY: the caller keeps to the same rules.
        unsafe { std::os::unix::process::CommandExt::pre_exec(self, what) };
    }
}

impl Start for tokio::process::Command {
    unsafe fn before(&mut self, what: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
        // SAFETY: the caller keeps to the same rules.
        unsafe { self.pre_exec(what) };
    }
}

/// Has the program killed when the thread that starts it ends.
pub fn tie(command: &mut impl Start) {
    tie_by(command, Signal::SIGKILL);
}

/// The same with a signal that the program can act upon.
pub fn tie_by(command: &mut impl Start, signal: Signal) {
    let parent = getpid();
    // SAFETY: two system calls; nothing is allocated or locked, and no memory of the parent is touched.
    unsafe { command.before(move || bind(parent, signal)) };
}

/// The parent may have died before the signal was asked for; then nobody would send it.
fn bind(parent: Pid, signal: Signal) -> io::Result<()> {
    set_pdeathsig(signal)?;
    let now = getppid();
    // From another PID namespace a parent is seen as 0.
    if now == parent || now == Pid::from_raw(0) { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    fn sleeping(tied: bool) -> Command {
        let mut command = Command::new("sleep");
        command.arg("600");
        if tied {
            tie(&mut command);
        }
        command
    }

    fn started_by_a_thread_that_ends(mut command: Command) -> Child {
        std::thread::spawn(move || command.spawn().unwrap()).join().unwrap()
    }

    #[test]
    fn what_is_tied_ends_with_the_thread_that_started_it_and_nothing_else_does() {
        let status = started_by_a_thread_that_ends(sleeping(true)).wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
        let mut free = started_by_a_thread_that_ends(sleeping(false));
        assert!(free.try_wait().unwrap().is_none());
        free.kill().unwrap();
        free.wait().unwrap();
    }

    #[test]
    fn whoever_has_another_parent_by_then_does_not_begin() {
        assert!(bind(Pid::from_raw(i32::MAX), Signal::SIGKILL).is_err());
        set_pdeathsig(None).unwrap();
    }
}

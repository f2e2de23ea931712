//! Children that do not outlive the launcher.

use std::io;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;

/// Makes the child end with the thread that starts it.
pub fn tie(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only a system call is made, which is safe there.
    unsafe { command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)) }
}

/// A command as the shell scripts of Spilo run it, tied to this process.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    tie(&mut command);
    command
}

/// The exit code as a shell gives it: 128 + the signal's number where a signal ended it.
pub fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code(command("sh", &["-c", "exit 3"]).status().unwrap()), 3);
        assert_eq!(code(command("sh", &["-c", "kill -TERM $$"]).status().unwrap()), 143);
    }
}

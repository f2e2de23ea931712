//! Children that do not outlive the launcher.

use std::io;
use std::process::{Command, Stdio};

use crate::tie::tie;

/// A command as the shell scripts of Spilo run it, tied to this process.
pub(super) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    tie(&mut command);
    command
}

/// What becomes of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// It is the script's own.
    Shown,
    /// It is read.
    Read,
}

/// Runs the command; its exit code, and what it printed where that is read, without blanks around it.
///
/// # Errors
/// When it cannot be started.
pub(super) fn execute(mut command: Command, output: Output) -> io::Result<(i32, String)> {
    Ok(match output {
        Output::Shown => (code(command.status()?), String::new()),
        Output::Read => {
            let output = command.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
            (code(output.status), String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
    })
}

/// The exit code as a shell gives it: 128 + the signal's number where a signal ended it.
pub(super) fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code(command("sh", &["-c", "exit 3"]).status().unwrap()), 3);
        assert_eq!(code(command("sh", &["-c", "kill -TERM $$"]).status().unwrap()), 143);
    }

    #[test]
    fn what_is_read_comes_with_its_exit_code() {
        let printed = execute(command("sh", &["-c", "echo; echo ' text '; exit 4"]), Output::Read).unwrap();
        assert_eq!(printed, (4, "text".to_owned()));
        assert!(execute(command("/no/such/program", &[]), Output::Read).is_err());
    }
}

//! A real program that is part of an environment: started, watched, its output kept, ended with its owner.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use super::sandbox::STATE;
use crate::environment::EnvironmentError;

/// How many of a part's last lines stand in an error.
const TAIL: usize = 15;

/// A running program. Dropping it kills it; so does the end of the process that started it.
pub struct Part {
    name: &'static str,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Part {
    /// Starts `program` with a clean environment; its output goes to `<logs>/<name>.log`.
    ///
    /// # Errors
    /// When the program cannot be executed.
    pub fn start(name: &'static str, program: &Path, arguments: &[String], logs: &Path) -> Result<Self, EnvironmentError> {
        let log = logs.join(format!("{name}.log"));
        let failed = |why: io::Error| EnvironmentError::Part {
            part: name.to_owned(),
            why: format!("{}: {why}", program.display()),
            log: Vec::new(),
        };
        let output = File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", STATE)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true);
        // SAFETY: prctl is async-signal-safe.
        unsafe { command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)) };
        let child = command.spawn().map_err(failed)?;
        Ok(Part { name, child: Mutex::new(child), log })
    }

    /// The error to report when the program has ended by itself.
    pub fn ended(&self) -> Option<EnvironmentError> {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let status = child.try_wait().ok().flatten()?;
        Some(EnvironmentError::Part {
            part: self.name.to_owned(),
            why: format!("it ended by itself ({status})"),
            log: last_lines(&self.log, TAIL),
        })
    }

    /// The error for a part that runs and yet does not do its work.
    pub fn useless(&self, why: impl Into<String>) -> EnvironmentError {
        EnvironmentError::Part { part: self.name.to_owned(), why: why.into(), log: last_lines(&self.log, TAIL) }
    }
}

/// The last lines of a file that may not exist.
pub fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

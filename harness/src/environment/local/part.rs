//! A real program that is part of an environment: started, watched, its output kept, ended with its owner.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::sandbox::STATE;
use crate::environment::EnvironmentError;
use crate::tie::tie;

/// How many of a part's last lines stand in an error.
const TAIL: usize = 15;

/// A running program. Dropping it kills it; so does the end of the process that started it.
pub(super) struct Part {
    name: &'static str,
    log: PathBuf,
    /// The program's exit status once it has ended by itself.
    status: watch::Receiver<Option<String>>,
    _waiting: AbortOnDropHandle<()>,
}

impl Part {
    /// Starts `program` with a clean environment; its output goes to `<logs>/<name>.log`.
    ///
    /// # Errors
    /// When the program cannot be executed.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        logs: &Path,
    ) -> Result<Self, EnvironmentError> {
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
        tie(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let (tell, status) = watch::channel(None);
        let waiting = tokio::spawn(async move {
            let ended =
                child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
            tell.send_replace(Some(ended));
        });
        Ok(Part { name, log, status, _waiting: AbortOnDropHandle::new(waiting) })
    }

    /// The error to report when the program has ended by itself.
    pub(super) fn ended(&self) -> Option<EnvironmentError> {
        let status = self.status.borrow().clone()?;
        Some(self.useless(format!("it ended by itself ({status})")))
    }

    /// Waits as long as the program runs; the error to report when it has ended by itself.
    pub(super) async fn end(&self) -> EnvironmentError {
        let mut status = self.status.clone();
        // The sender lives as long as this part: its task ends after sending, or with this part.
        let _ = status.wait_for(Option::is_some).await;
        self.useless(format!("it ended by itself ({})", status.borrow().clone().unwrap_or_default()))
    }

    /// The error for a part that runs and yet does not do its work.
    pub(super) fn useless(&self, why: impl Into<String>) -> EnvironmentError {
        EnvironmentError::Part {
            part: self.name.to_owned(),
            why: why.into(),
            log: last_lines(&self.log, TAIL),
        }
    }
}

/// The last lines of a file that may not exist.
pub(in crate::environment) fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

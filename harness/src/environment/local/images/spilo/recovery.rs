//! Point-in-time recovery of what a clone script has fetched, through Patroni's own classes.

use std::io::{self, Write};
use std::process::{Child, ExitCode, Stdio};

use super::log::Voice;
use super::programs::Programs;
use super::{child, patroni};

/// Our program for Patroni's python: recovers, retries with no target where recovery stopped short of it.
pub(super) const SCRIPT: &str = include_str!("recovery.py");
pub(super) const SCRIPT_PATH: &str = "/scripts/maybe_pg_upgrade.py";
/// What it asks for where the data are of an older major version.
pub(super) const UPGRADE: &str = include_str!("upgrade.py");
pub(super) const UPGRADE_PATH: &str = "/scripts/upgrade.py";

/// The recovery's process, which loads Patroni while the data are being fetched.
#[derive(Debug)]
pub(super) struct Recovery(Child);

impl Recovery {
    /// Starts the process; it waits for [`Recovery::run`], and ends by itself where this is dropped.
    ///
    /// # Errors
    /// When Patroni's python cannot be started.
    pub(super) fn prepare(programs: &Programs) -> io::Result<Self> {
        let folder = std::env::var("RW_DIR").unwrap_or_else(|_| "/run".to_owned());
        let config = format!("{folder}/{}", patroni::FILE_NAME);
        let python = programs.python.to_string_lossy();
        let mut command = child::command(&python, &["-X", "frozen_modules=on", SCRIPT_PATH, &config]);
        command.stdin(Stdio::piped()).spawn().map(Recovery)
    }

    /// Recovers what was fetched; PostgreSQL runs afterwards, and Patroni takes it over.
    pub(super) fn run(mut self) -> ExitCode {
        // Where it has ended already, its exit code says so.
        let _ = self.0.stdin.take().map(|mut stdin| stdin.write_all(b"fetched\n"));
        match self.0.wait() {
            Ok(status) if status.success() => return ExitCode::SUCCESS,
            Ok(_) => Voice::Script.error(format_args!("{SCRIPT_PATH} script failed")),
            Err(error) => Voice::Script.error(format_args!("wait for {SCRIPT_PATH}: {error}")),
        }
        ExitCode::FAILURE
    }
}

impl Drop for Recovery {
    /// A clone that failed has said why; its recovery has nothing to add.
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests;

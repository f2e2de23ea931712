//! Point-in-time recovery of what a clone script has fetched, through Patroni's own classes.

use std::process::ExitCode;

use super::log::Voice;
use super::programs::Programs;
use super::{child, patroni};

/// Our program for Patroni's python: recovers, retries with no target where recovery stopped short of it.
pub const SCRIPT: &str = include_str!("recovery.py");
pub const SCRIPT_PATH: &str = "/scripts/maybe_pg_upgrade.py";

/// Recovers the data that were fetched; PostgreSQL runs afterwards, and Patroni takes it over.
pub fn run(caller: &str) -> ExitCode {
    let programs = match Programs::of_this_container() {
        Ok(programs) => programs,
        Err(error) => {
            Voice::Script.error(format_args!("failed to {error}"));
            return ExitCode::FAILURE;
        }
    };
    let folder = std::env::var("RW_DIR").unwrap_or_else(|_| "/run".to_owned());
    let config = format!("{folder}/{}", patroni::FILE_NAME);
    let python = programs.python.to_string_lossy();
    let mut command = child::command(&python, &["-X", "frozen_modules=on", SCRIPT_PATH, &config]);
    match command.status() {
        Ok(status) if status.success() => return ExitCode::SUCCESS,
        Ok(_) => Voice::Script.error(format_args!("{SCRIPT_PATH} script failed")),
        Err(error) => Voice::Script.error(format_args!("{caller}: failed to run {python}: {error}")),
    }
    ExitCode::FAILURE
}

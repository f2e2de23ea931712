//! `/scripts/clone_with_wale.py`: Patroni's bootstrap method for a clone from backups.
//!
//! Runs in Patroni's cleaned environment with the clone's env dir on top.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io};

use jiff::Timestamp;

use super::log::Voice;
use super::programs::Programs;
use super::recovery::Recovery;
use super::{child, patroni};
use crate::spilo::backup_list::{self, Backup};
use crate::spilo::search;

/// What Patroni passes.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = false)]
struct Options {
    /// The name of the new cluster.
    #[arg(long)]
    scope: String,
    /// Where its data go.
    #[arg(long)]
    datadir: String,
    /// Up to where recovery goes, with a time zone; empty for the end of the WAL.
    #[arg(long, default_value = "")]
    recovery_target_time: String,
}

/// A point in time, and how the person wrote it.
struct Target {
    time: Timestamp,
    shown: String,
}

type Environment = BTreeMap<String, String>;

/// Why a clone cannot be made; the words are those of Spilo's exceptions.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum CloneError {
    #[error("Exception: Found find {found} {prefix}*_PREFIX environment variables, expected 1")]
    Prefixes { found: usize, prefix: &'static str },
    #[error("Exception: Could not find any backups prior to the point in time {0}")]
    NoBackupBefore(String),
    #[error("Exception: Could not find any backups")]
    NoBackup,
    #[error(
        "subprocess.CalledProcessError: Command '['{0}', 'backup-list']' returned non-zero exit status {1}."
    )]
    List(&'static str, i32),
    #[error("Exception: wal-e backup-fetch exited with exit code {0}")]
    Fetch(i32),
    #[error("FileNotFoundError: [Errno 2] No such file or directory: '{0}'")]
    NoProgram(&'static str),
    #[error("{0}")]
    Other(String),
}

/// Finds a backup, fetches it and recovers it.
pub(super) fn main() -> ExitCode {
    let options = <Options as clap::Parser>::parse();
    let target = match target_of(&options.recovery_target_time) {
        Ok(target) => target,
        Err(message) => {
            eprintln!("Exception: {message}");
            return ExitCode::FAILURE;
        }
    };
    match clone(&options, target.as_ref()) {
        Ok(recovery) => recovery.run(),
        Err(error) => {
            Voice::Script.error("Clone failed");
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn target_of(text: &str) -> Result<Option<Target>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let time = backup_list::parse_target(text)?;
    Ok(Some(Target { time, shown: backup_list::python_time(text, time) }))
}

fn clone(options: &Options, target: Option<&Target>) -> Result<Recovery, CloneError> {
    let other = |error: &dyn std::error::Error| CloneError::Other(error.to_string());
    let mut environment: Environment = env::vars().collect();
    let programs = Programs::of_this_container().map_err(|error| other(&error))?;
    let config = read_config().map_err(|error| other(&error))?;
    let bin = patroni::text_at(&config, "/postgresql/bin_dir");
    let found = find_backup(target, &environment, &programs.majors_up_to(&bin), list_backups)?;
    environment.insert(found.name.clone(), found.value.clone());
    let recovery = Recovery::prepare(&programs).map_err(|error| other(&error))?;
    let program = program(&environment);
    Voice::Script.info(format_args!(
        "cloning cluster {} using {program} backup-fetch {} {}",
        options.scope, options.datadir, found.backup
    ));
    let mut command = fetch(&environment, &options.datadir, &found.backup);
    let status = command.status().map_err(|error| cannot_run(program, &error))?;
    if !status.success() {
        return Err(CloneError::Fetch(child::code(status)));
    }
    keep_place(&found, &config)?;
    Ok(recovery)
}

fn fetch(environment: &Environment, data: &str, backup: &str) -> Command {
    let mut command = child::command(program(environment), &["backup-fetch", data, backup]);
    command.envs(environment);
    command
}

/// Recovery must read its WAL where the backup was found.
fn keep_place(found: &Found, config: &serde_json::Value) -> Result<(), CloneError> {
    if !found.is_versioned {
        return Ok(());
    }
    let folder = env_dir_of(config)
        .ok_or_else(|| CloneError::Other("Exception: Failed to find clone envdir".to_owned()))?;
    let file = Path::new(&folder).join(&found.name);
    fs::write(&file, &found.value)
        .map_err(|error| CloneError::Other(format!("write {}: {error}", file.display())))
}

/// The configuration that the launcher wrote, which is JSON.
fn read_config() -> io::Result<serde_json::Value> {
    let folder = env::var("RW_DIR").unwrap_or_else(|_| "/run".to_owned());
    let text = fs::read_to_string(Path::new(&folder).join(patroni::FILE_NAME))?;
    serde_json::from_str(&text).map_err(io::Error::from)
}

/// The clone's env dir: the word after `envdir` in its `restore_command`.
fn env_dir_of(config: &serde_json::Value) -> Option<String> {
    let command = patroni::text_at(config, "/bootstrap/clone_with_wale/recovery_conf/restore_command");
    let rest = command.strip_prefix("envdir \"")?;
    rest.split_once('"').map(|(folder, _)| folder.to_owned())
}

fn program(environment: &Environment) -> &'static str {
    if uses_walg(environment) { "wal-g" } else { "wal-e" }
}

fn uses_walg(environment: &Environment) -> bool {
    environment.get("USE_WALG_RESTORE").is_some_and(|value| value == "true")
}

fn cannot_run(program: &'static str, error: &io::Error) -> CloneError {
    match error.kind() {
        io::ErrorKind::NotFound => CloneError::NoProgram(program),
        _ => CloneError::Other(error.to_string()),
    }
}

/// Asks the storage; WAL-G's own complaints go to the log.
fn list_backups(environment: &Environment) -> Result<Vec<Backup>, CloneError> {
    let program = program(environment);
    let mut command = child::command(program, &["backup-list"]);
    let output = command
        .envs(environment)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_run(program, &error))?;
    if !output.status.success() {
        return Err(CloneError::List(program, child::code(output.status)));
    }
    backup_list::parse(&String::from_utf8_lossy(&output.stdout))
        .map_err(|error| CloneError::Other(format!("dateutil.parser._parser.ParserError: {error}")))
}

/// A backup, and the variable under which it was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    backup: String,
    name: String,
    value: String,
    /// The value is not the one that was given.
    is_versioned: bool,
}

fn find_backup(
    target: Option<&Target>,
    environment: &Environment,
    majors: &[u16],
    mut list: impl FnMut(&Environment) -> Result<Vec<Backup>, CloneError>,
) -> Result<Found, CloneError> {
    let (name, places) = places(environment, majors)?;
    let given = &environment[&name];
    let mut environment = environment.clone();
    for value in places {
        Voice::Script.info(format_args!("Trying {value} for clone"));
        environment.insert(name.clone(), value.clone());
        let backups = list(&environment)?;
        let chosen = match target {
            _ if backups.is_empty() => None,
            Some(target) => {
                backup_list::newest_before(&backups, target.time).map(|backup| backup.name.clone())
            }
            None => Some("LATEST".to_owned()),
        };
        if let Some(backup) = chosen {
            let is_versioned = value != *given;
            return Ok(Found { backup, name, value, is_versioned });
        }
    }
    Err(match target {
        Some(target) => CloneError::NoBackupBefore(target.shown.clone()),
        None => CloneError::NoBackup,
    })
}

/// The one `_PREFIX` variable, and the values to try: a path that Spilo made holds one folder a major version.
fn places(environment: &Environment, majors: &[u16]) -> Result<(String, Vec<String>), CloneError> {
    let prefix = if uses_walg(environment) { "WALG_" } else { "WALE_" };
    let names: Vec<&String> = environment
        .keys()
        .filter(|name| {
            name.starts_with(prefix) && name.ends_with("_PREFIX") && name.len() > "WALE__PREFIX".len()
        })
        .collect();
    let [name] = names[..] else {
        return Err(CloneError::Prefixes { found: names.len(), prefix });
    };
    let given = &environment[name];
    Ok((name.clone(), search::places(given, majors)))
}

#[cfg(test)]
mod tests;

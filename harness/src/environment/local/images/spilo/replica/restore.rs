//! `wale_restore.sh`: a replica from the newest backup, unless streaming from the leader costs less.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{fs, io};

use super::super::child::{self, Output};
use super::super::container::of_this_container;
use super::{Arguments, Pauses, attempts, block_on};
use crate::spilo::Variables;
use crate::spilo::backup_list;

const PAUSES: Pauses = Pauses(Duration::from_secs(1), Duration::from_secs(1));

/// `wale_restore.sh`: the newest backup, unless streaming from the leader costs less.
pub(crate) fn main() -> ExitCode {
    let variables = of_this_container();
    let Some(restore) = Restore::of(&Arguments::of_this_process(), &variables) else {
        return ExitCode::FAILURE;
    };
    block_on(async {
        match restore.run(PAUSES, child::execute).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                println!("{message}");
                ExitCode::FAILURE
            }
        }
    })
}

/// What Patroni asks for.
#[derive(Debug)]
struct Restore {
    program: &'static str,
    data: String,
    /// The leader, where there is one.
    leader: Option<String>,
    /// Without a leader the backup is taken, whatever it costs.
    without_leader: bool,
    retries: u32,
    megabytes: i64,
    percentage: i64,
}

impl Restore {
    /// `None` where the arguments do not suffice.
    fn of(arguments: &Arguments, variables: &Variables) -> Option<Self> {
        let leader = arguments.get("connstring").map(str::to_owned);
        let without_leader = arguments.get("no_leader").or(arguments.get("no_master")).is_some();
        if leader.is_none() && !without_leader {
            return None;
        }
        Some(Restore {
            program: if variables.text("USE_WALG_RESTORE") == "true" { "wal-g" } else { "wal-e" },
            data: arguments.get("datadir")?.to_owned(),
            leader,
            without_leader,
            retries: arguments.number("retries", 2),
            megabytes: arguments.number("threshold_megabytes", 10240),
            percentage: arguments.number("threshold_backup_size_percentage", 30),
        })
    }

    async fn run(
        &self,
        pauses: Pauses,
        mut execute: impl FnMut(Command, Output) -> io::Result<(i32, String)>,
    ) -> Result<(), String> {
        let mut read = |command| match execute(command, Output::Read) {
            Ok((0, text)) => Some(text).filter(|text| !text.is_empty()),
            _ => None,
        };
        let (mut segment, mut reached) = (None, false);
        attempts("a backup and the leader", self.retries, pauses, || {
            segment = segment.take().or_else(|| newest_segment(&read(self.list())?));
            reached = reached
                || self.leader.as_ref().is_some_and(|leader| read(quiet(ask(leader, VERSION))).is_some());
            (segment.is_some() && (reached || self.leader.is_none())).then_some(())
        })
        .await;
        let start = segment.as_deref().and_then(start_lsn).ok_or("Can not find any backups")?;
        match &self.leader {
            Some(leader) if reached => self.must_pay(leader, &start, pauses, &mut read).await?,
            _ if self.without_leader => {}
            _ => return Err("Failed to reach master".to_owned()),
        }
        let fetched = attempts("the backup", self.retries, pauses, || {
            let fetch = child::command(self.program, &["backup-fetch", &self.data, "LATEST"]);
            match execute(fetch, Output::Shown) {
                Ok((0, _)) => return Some(()),
                Ok(_) => {}
                Err(error) => eprintln!("{}: {error}", self.program),
            }
            // Its half would be in the way; where it stays, the next attempt says so.
            let _ = fs::remove_dir_all(&self.data);
            None
        });
        fetched.await.ok_or_else(|| format!("{} backup-fetch failed", self.program))?;
        self.make_wal_folder().map_err(|error| format!("make {}/pg_wal: {error}", self.data))?;
        // What became of a tablespace whose folder is not there: a server that finds such a link does not start.
        remove_dead_links(Path::new(&self.data))
            .map_err(|error| format!("look through {}: {error}", self.data))
    }

    fn list(&self) -> Command {
        quiet(child::command(self.program, &["backup-list"]))
    }

    /// Whether the backup costs less than streaming from the leader.
    async fn must_pay(
        &self,
        leader: &str,
        start: &str,
        pauses: Pauses,
        read: &mut impl FnMut(Command) -> Option<String>,
    ) -> Result<(), String> {
        let mut number = |sql: &str| read(ask(leader, sql))?.parse::<i64>().ok();
        let (mut wal, mut size) = (None, None);
        attempts("the leader's size", self.retries, pauses, || {
            wal = wal.or_else(|| number(&wal_since(start)));
            size = size.or_else(|| number(SIZE));
            wal.zip(size)
        })
        .await;
        let (wal, size) = wal.zip(size).ok_or("could not determine difference with the master location")?;
        println!("Current cluster size: {size}");
        println!("Wals generated since the last backup: {wal}");
        self.too_much_wal(wal, size).map_or(Ok(()), Err)
    }

    fn too_much_wal(&self, wal: i64, size: i64) -> Option<String> {
        let exceeds = |what: String| {
            Some(format!("not restoring from backup because of amount of generated wals exceeds {what}"))
        };
        match self {
            _ if wal > self.megabytes << 20 => exceeds(format!("{}MB", self.megabytes)),
            _ if wal > size * self.percentage / 100 => {
                exceeds(format!("{}% of cluster_size", self.percentage))
            }
            _ => None,
        }
    }

    /// A backup has none; a link in its place leads nowhere here.
    fn make_wal_folder(&self) -> io::Result<()> {
        let folder = Path::new(&self.data).join("pg_wal");
        if folder.is_dir() {
            return Ok(());
        }
        match fs::remove_file(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir(&folder),
        }
    }
}

/// Deletes every link below this folder that leads nowhere.
fn remove_dead_links(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            remove_dead_links(&path)?;
        } else if kind.is_symlink() && !path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

const VERSION: &str = "show server_version_num";
const SIZE: &str = "SELECT sum(pg_catalog.pg_database_size(datname))::bigint FROM pg_catalog.pg_database";

/// The WAL since then in bytes. The leader that Patroni names may be a replica by now.
fn wal_since(start: &str) -> String {
    let here = "CASE WHEN pg_is_in_recovery() THEN GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
                ELSE pg_current_wal_lsn() END";
    format!("SELECT pg_wal_lsn_diff({here}, '{start}')::bigint")
}

fn ask(leader: &str, sql: &str) -> Command {
    let mut command = child::command("psql", &["-d", leader, "-tAc", sql]);
    command.env("PGOPTIONS", "-c search_path=pg_catalog");
    command
}

fn quiet(mut command: Command) -> Command {
    command.stderr(Stdio::null());
    command
}

/// The first WAL segment that the newest backup needs.
fn newest_segment(list: &str) -> Option<String> {
    let backups = backup_list::parse(list).ok()?;
    let segment = backups.into_iter().max_by_key(|backup| backup.last_modified)?.wal_segment?;
    Some(segment.split('_').next().unwrap_or_default().to_owned()).filter(|segment| !segment.is_empty())
}

/// Where the WAL segment of this name begins.
fn start_lsn(segment: &str) -> Option<String> {
    let high = u32::from_str_radix(segment.get(8..16)?, 16).ok()?;
    let low = u32::from_str_radix(segment.get(16..24)?, 16).ok()?;
    Some(format!("{high:X}/{:X}", low << 24))
}

#[cfg(test)]
mod tests;

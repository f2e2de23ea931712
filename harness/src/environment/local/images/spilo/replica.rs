//! `/scripts/wale_restore.sh` and `/scripts/basebackup.sh`: how Patroni makes replicas.
//!
//! Where Spilo streams WAL beside the base backup with `pg_receivewal`, `pg_basebackup` does it itself here.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::{env, fs, io};

use super::{backup_list, child};

/// Patroni's `--name=value` arguments.
fn argument(name: &str) -> Option<String> {
    let start = format!("--{name}=");
    env::args()
        .skip(1)
        .find_map(|word| word.strip_prefix(&start).map(str::to_owned))
        .filter(|value| !value.is_empty())
}

/// `basebackup.sh`: streams a base backup from the leader.
pub fn basebackup() -> ExitCode {
    let (Some(data), Some(connection)) = (argument("datadir"), argument("connstring")) else {
        return ExitCode::FAILURE;
    };
    let retries: u32 = argument("retries").and_then(|text| text.parse().ok()).unwrap_or(2);
    for _ in 0..=retries {
        // The last attempt's half is in the way.
        if Path::new(&data).exists() && fs::remove_dir_all(&data).is_err() {
            return ExitCode::FAILURE;
        }
        let arguments =
            [&format!("--pgdata={data}"), "-X", "stream", "-c", "fast", &format!("--dbname={connection}")];
        if child::command("pg_basebackup", &arguments).status().is_ok_and(|status| status.success()) {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

/// `wale_restore.sh`: the newest backup, unless streaming from the leader costs less.
pub fn wale_restore() -> ExitCode {
    match restore() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn restore() -> Result<(), String> {
    let data = argument("datadir").ok_or("no --datadir")?;
    let program =
        if env::var("USE_WALG_RESTORE").is_ok_and(|value| value == "true") { "wal-g" } else { "wal-e" };
    let failed = |error: io::Error| format!("{program}: {error}");
    let listed = child::command(program, &["backup-list"]).stderr(Stdio::null()).output().map_err(failed)?;
    let backups =
        backup_list::parse(&String::from_utf8_lossy(&listed.stdout)).map_err(|error| error.to_string())?;
    let newest = backups.iter().max_by_key(|backup| backup.last_modified);
    let segment = newest.and_then(|backup| backup.wal_segment.clone()).ok_or("Can not find any backups")?;

    match argument("connstring") {
        Some(connection) => {
            let start = start_lsn(&segment).ok_or("Can not find any backups")?;
            let wal = ask(
                &connection,
                &format!("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{start}')::bigint"),
            )?;
            let size = ask(&connection, "SELECT sum(pg_database_size(datname))::bigint FROM pg_database")?;
            println!("Current cluster size: {size}");
            println!("Wals generated since the last backup: {wal}");
            let limit = |name, default| argument(name).and_then(|text| text.parse().ok()).unwrap_or(default);
            let megabytes = limit("threshold_megabytes", 10240);
            let percentage = limit("threshold_backup_size_percentage", 30);
            too_much_wal(wal, size, megabytes, percentage).map_or(Ok(()), Err)?;
        }
        None if argument("no_leader").is_none() => return Err("Failed to reach master".to_owned()),
        None => {}
    }
    match child::command(program, &["backup-fetch", &data, "LATEST"]).status().map_err(failed)? {
        status if status.success() => fs::create_dir_all(Path::new(&data).join("pg_wal")).map_err(failed),
        status => Err(format!("{program} backup-fetch exited with exit code {}", child::code(status))),
    }
}

/// Where the WAL segment of this name begins.
fn start_lsn(segment: &str) -> Option<String> {
    let high = u32::from_str_radix(segment.get(8..16)?, 16).ok()?;
    let low = u32::from_str_radix(segment.get(16..24)?, 16).ok()?;
    Some(format!("{high:X}/{:X}", low << 24))
}

fn ask(connection: &str, sql: &str) -> Result<i64, String> {
    let output = child::command("psql", &["-d", connection, "-tAc", sql]).output();
    output
        .ok()
        .and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok())
        .ok_or_else(|| "could not determine difference with the master location".to_owned())
}

fn too_much_wal(wal: i64, size: i64, megabytes: i64, percentage: i64) -> Option<String> {
    let exceeds = |what: String| {
        format!("not restoring from backup because of amount of generated wals exceeds {what}")
    };
    if wal > megabytes << 20 {
        Some(exceeds(format!("{megabytes}MB")))
    } else if wal > size / 100 * percentage {
        Some(exceeds(format!("{percentage}% of cluster_size")))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_begins_where_its_name_says() {
        assert_eq!(start_lsn("000000010000000A000000FE").as_deref(), Some("A/FE000000"));
        assert_eq!(start_lsn("0001"), None);
    }

    #[test]
    fn much_wal_speaks_against_the_backup() {
        assert_eq!(too_much_wal(10 << 20, 100 << 20, 100, 30), None);
        assert!(
            too_much_wal(101 << 20, i64::MAX, 100, 30).is_some_and(|text| text.ends_with("exceeds 100MB"))
        );
        assert!(
            too_much_wal(31 << 20, 100 << 20, 100, 30)
                .is_some_and(|text| text.contains("30% of cluster_size"))
        );
    }
}

//! `/scripts/restore_command.sh <file> <destination>`: one WAL file, from nearby or from the storage.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// Moves the file from the folder of a base backup's own stream, or becomes `wal-g wal-fetch`.
pub(super) fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let (Some(name), Some(destination)) = (words.next(), words.next()) else { return ExitCode::FAILURE };
    if let Some(near) = streamed(&name, Path::new(&destination)) {
        return match fs::rename(&near, &destination) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("restore_command.sh: move {}: {error}", near.display());
                ExitCode::FAILURE
            }
        };
    }
    let mut command = fetch(&name, &destination, &env::var("USE_WALG_RESTORE").unwrap_or_default());
    let error = command.exec();
    eprintln!("restore_command.sh: {}: {error}", command.get_program().display());
    ExitCode::from(127)
}

/// The storage's file, by WAL-G where its env dir says so.
fn fetch(name: &str, destination: &str, use_walg: &str) -> Command {
    let mut command = Command::new(if use_walg == "true" { "wal-g" } else { "wal-e" });
    command.args(["wal-fetch", name, destination]);
    if is_for_rewind(name, destination) {
        command.env("WALG_DOWNLOAD_CONCURRENCY", "1");
    }
    command
}

/// The file in `wal_fast`, which stands beside the data.
fn streamed(name: &str, destination: &Path) -> Option<PathBuf> {
    let wal = destination.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wal = fs::canonicalize(wal).ok()?;
    let file = wal.parent()?.parent()?.join("wal_fast").join(name);
    file.is_file().then_some(file)
}

/// Patroni asks for files under their own names where `pg_rewind` misses them: no prefetching then.
fn is_for_rewind(name: &str, destination: &str) -> bool {
    destination.ends_with(&format!("/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streamed_file_is_found_beside_the_data() {
        let root = tempfile::tempdir().unwrap();
        let wal = root.path().join("data/pg_wal");
        fs::create_dir_all(&wal).unwrap();
        let destination = wal.join("RECOVERYXLOG");
        assert_eq!(streamed("0001", &destination), None);
        fs::create_dir_all(root.path().join("wal_fast")).unwrap();
        fs::write(root.path().join("wal_fast/0001"), "wal").unwrap();
        let near = fs::canonicalize(root.path()).unwrap().join("wal_fast/0001");
        assert_eq!(streamed("0001", &destination), Some(near));
    }

    /// The command, and the variables that it has of its own.
    fn fetched(destination: &str, use_walg: &str) -> (String, usize) {
        let command = fetch("0001", destination, use_walg);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        (words, command.get_envs().count())
    }

    #[test]
    fn the_storage_is_asked_by_wal_g_only_where_the_env_dir_says_so() {
        let recovery = "pg_wal/RECOVERYXLOG";
        assert_eq!(fetched(recovery, "true"), (format!("wal-g wal-fetch 0001 {recovery}"), 0));
        assert_eq!(fetched(recovery, ""), (format!("wal-e wal-fetch 0001 {recovery}"), 0));
    }

    #[test]
    fn a_file_under_its_own_name_is_for_rewind_and_alone() {
        assert_eq!(fetched("pg_wal/0001", "true"), ("wal-g wal-fetch 0001 pg_wal/0001".to_owned(), 1));
    }
}

//! `/scripts/restore_command.sh <file> <destination>`: one WAL file, from nearby or from the storage.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// Moves the file from the folder of a base backup's own stream, or becomes `wal-g wal-fetch`.
pub fn main() -> ExitCode {
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
    let walg = env::var("USE_WALG_RESTORE").is_ok_and(|value| value == "true");
    let mut command = Command::new(if walg { "wal-g" } else { "wal-e" });
    command.args(["wal-fetch", &name, &destination]);
    if is_for_rewind(&name, &destination) {
        command.env("WALG_DOWNLOAD_CONCURRENCY", "1");
    }
    let error = command.exec();
    eprintln!("restore_command.sh: {}: {error}", command.get_program().display());
    ExitCode::from(127)
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
    #![allow(clippy::unwrap_used)]
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

    #[test]
    fn only_a_file_under_its_own_name_is_for_rewind() {
        assert!(is_for_rewind("0001", "pg_wal/0001"));
        assert!(!is_for_rewind("0001", "pg_wal/RECOVERYXLOG"));
    }
}

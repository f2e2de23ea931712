//! WAL-G on this machine: which version it is, and whether it is newer than the one that can be built.

use std::path::Path;
use std::process::Command;

use super::command;
use super::host::on_path;
use super::tools::WalGTool;

/// The first that calls `pg_backup_start`.
const KNOWS_POSTGRES_15: [u32; 3] = [2, 0, 1];

/// The one on PATH, where it is newer than the one that can be built from a Go module.
pub(super) fn installed() -> Option<WalGTool> {
    let found = on_path("wal-g").first().and_then(|program| inspect(program))?;
    (!found.predates_postgres_15).then_some(found)
}

/// Asks the program for its version. `None` where it is no WAL-G for PostgreSQL.
pub(super) fn inspect(program: &Path) -> Option<WalGTool> {
    let said = command::ask(Command::new(program).arg("--version"))?;
    // For example `wal-g version v3.0.5	abcdef	2025.01.02_03:04:05	PostgreSQL`.
    let version = said.strip_prefix("wal-g version ")?.split_whitespace().next()?;
    said.contains("PostgreSQL").then(|| tool(program, version))
}

/// A build without a version is taken as an old one: the functions it then gets do a newer one no harm.
pub(super) fn tool(program: &Path, version: &str) -> WalGTool {
    let numbers = version.trim_start_matches('v').split(['.', '-']).map_while(|number| number.parse().ok());
    let numbers: Vec<u32> = numbers.collect();
    WalGTool {
        program: program.to_owned(),
        version: version.to_owned(),
        predates_postgres_15: numbers[..] < KNOWS_POSTGRES_15[..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_since_2_0_1_know_postgres_15() {
        let predates = |version| tool(Path::new("/x"), version).predates_postgres_15;
        assert!(predates("devel") && predates("1.1.3-rc-with-build") && predates("v2.0.0"));
        assert!(!predates("v2.0.1") && !predates("v3.0.5"));
    }
}

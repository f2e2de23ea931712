//! Where the real programs are, as the image tells the launcher: `/etc/clonedrill/spilo.json`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::toolchain::{PostgresTool, Tools};

/// The file that the image carries.
pub const FILE: &str = "/etc/clonedrill/spilo.json";

/// The programs that the launcher runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Programs {
    /// Patroni's python.
    pub python: PathBuf,
    /// Newest major last, never empty.
    pub postgres: Vec<PostgresTool>,
    /// WAL-G calls `pg_start_backup`, which PostgreSQL 15 no longer has.
    pub wal_g_predates_postgres_15: bool,
}

/// Why the launcher does not know its programs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    #[error("read {FILE}: {0}")]
    Read(#[from] io::Error),
    #[error("understand {FILE}: {0}")]
    Parse(#[from] serde_json::Error),
    #[error("find a PostgreSQL in {FILE}")]
    NoPostgres,
}

impl Programs {
    pub fn of(tools: &Tools) -> Self {
        Programs {
            python: tools.patroni.python.clone(),
            postgres: tools.postgres.clone(),
            wal_g_predates_postgres_15: tools.wal_g.predates_postgres_15,
        }
    }

    /// # Errors
    /// When the image's file is missing, unreadable or names no PostgreSQL.
    pub fn of_this_container() -> Result<Self, ProgramsError> {
        let programs: Programs = serde_json::from_str(&fs::read_to_string(FILE)?)?;
        if programs.postgres.is_empty() {
            return Err(ProgramsError::NoPostgres);
        }
        Ok(programs)
    }

    /// The PostgreSQL to run: that of an existing `PGDATA`, else that of `PGVERSION`, else the newest.
    pub fn choose(&self, pgdata: &Path, pgversion: &str) -> Option<&PostgresTool> {
        let existing = fs::read_to_string(pgdata.join("PG_VERSION")).unwrap_or_default();
        self.of_major(existing.trim()).or_else(|| self.of_major(pgversion)).or(self.postgres.last())
    }

    fn of_major(&self, major: &str) -> Option<&PostgresTool> {
        self.postgres.iter().find(|tool| tool.major.to_string() == major)
    }

    /// The PostgreSQL whose programs are in this folder.
    pub fn in_folder(&self, bin: &str) -> Option<&PostgresTool> {
        self.postgres.iter().find(|tool| tool.bin == Path::new(bin))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn existing_data_beat_the_variable_which_beats_the_newest() {
        let tool = |major: u16| PostgresTool {
            major,
            version: format!("{major}.1"),
            bin: format!("/usr/lib/postgresql/{major}/bin").into(),
            lib: None,
        };
        let programs = Programs {
            python: "python3".into(),
            postgres: vec![tool(14), tool(15), tool(17)],
            wal_g_predates_postgres_15: false,
        };
        let data = tempfile::tempdir().unwrap();
        let chosen = |version| programs.choose(data.path(), version).unwrap().major;
        assert_eq!((chosen("15"), chosen("16"), chosen("")), (15, 17, 17));
        fs::write(data.path().join("PG_VERSION"), "14\n").unwrap();
        assert_eq!(chosen("15"), 14);
    }
}

//! Where the real programs are, as the image tells the launcher: `/etc/clonedrill/spilo.json`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::spilo::Release;
use crate::toolchain::{PostgresTool, Tools};

/// The file that the image carries.
pub const FILE: &str = "/etc/clonedrill/spilo.json";

/// The programs that the launcher runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Programs {
    /// Patroni's python.
    pub python: PathBuf,
    /// Newest major last, never empty.
    pub postgres: Vec<PostgresTool>,
    /// WAL-G calls `pg_start_backup`, which PostgreSQL 15 no longer has.
    pub wal_g_predates_postgres_15: bool,
    /// Whose behaviour the launcher has.
    #[serde(default)]
    pub release: Release,
    /// The first base backup begins when Spilo's own would, and not as soon as it can.
    #[serde(default)]
    pub spilos_first_backup: bool,
}

/// Why the launcher does not know its programs.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramsError {
    #[error("read {FILE}: {0}")]
    Read(#[from] io::Error),
    #[error("understand {FILE}: {0}")]
    Parse(#[from] serde_json::Error),
    #[error("find a PostgreSQL in {FILE}")]
    NoPostgres,
    /// Spilo would run another one silently, or not start at all.
    #[error("find PostgreSQL {major}, which {asked_by} asks for: this machine has {installed}")]
    NotInstalled { major: String, asked_by: String, installed: String },
    #[error("find a postgres in {0}, the bin_dir of the user's configuration")]
    NoPrograms(String),
}

/// Where Spilo's image has its PostgreSQLs, each in a folder that is called after its major version.
const SPILOS: &str = "/usr/lib/postgresql/";

impl Programs {
    /// Those of an image of this reference, whose tag names a release of Spilo.
    pub(super) fn of(tools: &Tools, reference: &str) -> Self {
        Programs {
            release: Release::of_image(reference).unwrap_or_default(),
            spilos_first_backup: tools.spilos_first_backup,
            python: tools.patroni.python.clone(),
            postgres: tools.postgres.clone(),
            wal_g_predates_postgres_15: tools.wal_g.predates_postgres_15,
        }
    }

    /// # Errors
    /// When the image's file is missing, unreadable or names no PostgreSQL.
    pub(super) fn of_this_container() -> Result<Self, ProgramsError> {
        let programs: Programs = serde_json::from_str(&fs::read_to_string(FILE)?)?;
        if programs.postgres.is_empty() {
            return Err(ProgramsError::NoPostgres);
        }
        Ok(programs)
    }

    /// The folder of the programs to run: those that existing data need, else those that the user's
    /// configuration names, else those of `PGVERSION`, else the newest.
    ///
    /// # Errors
    /// When this machine lacks what is asked for. What is no version number asks for nothing, as in Spilo.
    pub(super) fn choose(
        &self,
        pgdata: &Path,
        bin_dir: &str,
        pgversion: &str,
    ) -> Result<Option<PathBuf>, ProgramsError> {
        let version_file = pgdata.join("PG_VERSION");
        let existing = fs::read_to_string(&version_file).unwrap_or_default();
        if let Some(major) = version_number(&existing) {
            return self.of_major(major, &version_file.to_string_lossy()).map(Some);
        }
        if !bin_dir.is_empty() {
            return self.of_bin_dir(bin_dir).map(Some);
        }
        match version_number(pgversion) {
            Some(major) => self.of_major(major, "PGVERSION").map(Some),
            None => Ok(self.postgres.last().map(|tool| tool.bin.clone())),
        }
    }

    /// The operator names a folder of Spilo's image where `enable_pgversion_env_var` is off.
    fn of_bin_dir(&self, bin_dir: &str) -> Result<PathBuf, ProgramsError> {
        let in_image =
            bin_dir.strip_prefix(SPILOS).and_then(|rest| rest.trim_end_matches('/').strip_suffix("/bin"));
        match in_image.and_then(version_number) {
            Some(major) => self.of_major(major, "bin_dir"),
            None if Path::new(bin_dir).join("postgres").is_file() => Ok(bin_dir.into()),
            None => Err(ProgramsError::NoPrograms(bin_dir.to_owned())),
        }
    }

    fn of_major(&self, major: u16, asked_by: &str) -> Result<PathBuf, ProgramsError> {
        let found = self.postgres.iter().find(|tool| tool.major == major).map(|tool| tool.bin.clone());
        found.ok_or_else(|| ProgramsError::NotInstalled {
            major: major.to_string(),
            asked_by: asked_by.to_owned(),
            installed: self.postgres.iter().map(|tool| tool.major.to_string()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The majors that a clone may come from, newest first: up to that of the programs in `bin`.
    pub(super) fn majors_up_to(&self, bin: &str) -> Vec<u16> {
        let newest = self.in_folder(bin).map_or(u16::MAX, |tool| tool.major);
        self.postgres.iter().rev().map(|tool| tool.major).filter(|major| *major <= newest).collect()
    }

    /// The PostgreSQL whose programs are in this folder.
    pub(super) fn in_folder(&self, bin: &str) -> Option<&PostgresTool> {
        self.postgres.iter().find(|tool| tool.bin == Path::new(bin))
    }
}

/// A major version since 10.
fn version_number(text: &str) -> Option<u16> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PostgreSQL unpacked from packages: not where Spilo has it.
    fn programs() -> Programs {
        let tool = |major: u16| PostgresTool {
            major,
            version: format!("{major}.1"),
            bin: format!("/cache/{major}/bin").into(),
            named_only: false,
        };
        Programs {
            python: "python3".into(),
            postgres: vec![tool(14), tool(15), tool(17)],
            wal_g_predates_postgres_15: false,
            release: Release::NEWEST,
            spilos_first_backup: false,
        }
    }

    fn chosen(data: &Path, bin_dir: &str, pgversion: &str) -> Result<String, String> {
        let chosen = programs().choose(data, bin_dir, pgversion).map_err(|error| error.to_string())?;
        Ok(chosen.unwrap().to_string_lossy().into_owned())
    }

    fn bin(major: u16) -> Result<String, String> {
        Ok(format!("/cache/{major}/bin"))
    }

    #[test]
    fn existing_data_beat_the_configuration_which_beats_the_variable_which_beats_the_newest() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(chosen(data.path(), "", ""), bin(17));
        assert_eq!(chosen(data.path(), "", "no version"), bin(17));
        assert_eq!(chosen(data.path(), "", "15"), bin(15));
        assert_eq!(chosen(data.path(), "/usr/lib/postgresql/14/bin", "15"), bin(14));
        fs::write(data.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(chosen(data.path(), "/usr/lib/postgresql/14/bin", "17"), bin(15));
    }

    #[test]
    fn a_version_that_is_not_installed_is_an_error_and_not_another_version() {
        let data = tempfile::tempdir().unwrap();
        let missing = |asked_by: &str| {
            Err(format!("find PostgreSQL 16, which {asked_by} asks for: this machine has 14, 15, 17"))
        };
        assert_eq!(chosen(data.path(), "", "16"), missing("PGVERSION"));
        assert_eq!(chosen(data.path(), "/usr/lib/postgresql/16/bin/", "15"), missing("bin_dir"));
        fs::write(data.path().join("PG_VERSION"), "16\n").unwrap();
        assert_eq!(chosen(data.path(), "", "15"), missing(&data.path().join("PG_VERSION").to_string_lossy()));
    }

    #[test]
    fn a_folder_of_ones_own_must_have_the_server() {
        let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = own.path().to_string_lossy();
        assert_eq!(
            chosen(data.path(), &folder, "15"),
            Err(format!("find a postgres in {folder}, the bin_dir of the user's configuration"))
        );
        fs::write(own.path().join("postgres"), "").unwrap();
        assert_eq!(chosen(data.path(), &folder, "15"), Ok(folder.into_owned()));
    }

    #[test]
    fn a_clone_comes_from_its_own_major_or_one_below() {
        assert_eq!(programs().majors_up_to("/cache/15/bin"), [15, 14]);
        assert_eq!(programs().majors_up_to("/cache/17/bin"), [17, 15, 14]);
        assert_eq!(programs().majors_up_to("/elsewhere"), [17, 15, 14]);
    }
}

//! PostgreSQL installations: where they are, and whether they have what a drill needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command;
use super::host::{is_program, on_path};
use super::tools::PostgresTool;

/// What the launcher, Patroni and the observations call.
const PROGRAMS: [&str; 8] =
    ["postgres", "initdb", "pg_ctl", "pg_basebackup", "psql", "pg_rewind", "pg_controldata", "pg_isready"];

/// What was found on this machine.
#[derive(Debug, Default)]
pub(super) struct Installations {
    /// Those that can be used, oldest major first.
    pub usable: Vec<PostgresTool>,
    /// The others: the folder of the programs, and what it lacks, as a fragment after it.
    pub rejected: Vec<(PathBuf, String)>,
}

/// Those of the system.
pub(super) fn installed() -> Installations {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    let real =
        |program: PathBuf| program.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
    folders.extend(on_path("postgres").into_iter().filter_map(real));
    if folders.is_empty() {
        folders.extend(
            on_path("pg_config").first().and_then(|program| ask(program, "--bindir")).map(PathBuf::from),
        );
    }
    folders.sort();
    folders.dedup();
    sorted(folders.into_iter().map(|bin| (inspect(&bin), bin)))
}

fn sorted(looked_at: impl Iterator<Item = (Result<PostgresTool, String>, PathBuf)>) -> Installations {
    let mut found = Installations::default();
    for (tool, bin) in looked_at {
        match tool {
            Ok(tool) => found.usable.push(tool),
            Err(why) => found.rejected.push((bin, why)),
        }
    }
    found.usable.sort_by(|a, b| (a.major, &a.bin).cmp(&(b.major, &b.bin)));
    found.usable.dedup_by_key(|tool| tool.major);
    found
}

/// The one that was unpacked from packages into `folder`.
///
/// # Errors
/// What it lacks, as a fragment after "it".
pub(super) fn unpacked(folder: &Path) -> Result<PostgresTool, String> {
    let mut versions = std::fs::read_dir(folder.join("usr/lib/postgresql")).into_iter().flatten().flatten();
    let version = versions.next().ok_or("has no folder usr/lib/postgresql")?;
    inspect(&version.path().join("bin"))
}

/// Reads the version of the installation in `bin`.
///
/// # Errors
/// What it lacks, as a fragment after the path.
pub(super) fn inspect(bin: &Path) -> Result<PostgresTool, String> {
    if let Some(why) = lacks(bin) {
        return Err(why);
    }
    if !has_openssl(bin) {
        return Err("is built without OpenSSL".to_owned());
    }
    match version(&ask(&bin.join("postgres"), "--version").unwrap_or_default()) {
        Some((major, version)) => Ok(PostgresTool { major, version, bin: bin.to_owned(), named_only: false }),
        None => Err("has a postgres that does not tell its version".to_owned()),
    }
}

/// The program that is not in `bin`, as a fragment after the path.
pub(super) fn lacks(bin: &Path) -> Option<String> {
    let missing = PROGRAMS.iter().find(|program| !is_program(&bin.join(program)))?;
    Some(format!("has no program {missing}"))
}

/// Major and version of what a server says of itself: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
pub(super) fn version(said: &str) -> Option<(u16, String)> {
    let version = said.split("(PostgreSQL) ").nth(1)?.split_whitespace().next()?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((major, version.to_owned()))
}

/// Its build options tell; where they are not packaged, the server names the library that it links.
fn has_openssl(bin: &Path) -> bool {
    match ask(&bin.join("pg_config"), "--configure") {
        Some(options) => options.contains("--with-ssl=openssl") || options.contains("--with-openssl"),
        None => std::fs::read(bin.join("postgres")).is_ok_and(|elf| contains(&elf, b"libssl.so")),
    }
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

fn ask(program: &Path, question: &str) -> Option<String> {
    command::ask(Command::new(program).arg(question).env("LC_ALL", "C"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder of programs that all say `said`.
    fn programs(said: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in PROGRAMS.into_iter().chain(["pg_config"]) {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho \"{said}\"\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn what_an_installation_lacks_is_kept() {
        let bare = programs("postgres (PostgreSQL) 16.4 '--without-openssl'");
        let good = programs("postgres (PostgreSQL) 15.18 '--with-ssl=openssl'");
        let all = [&bare, &good].map(|folder| folder.path().to_owned());
        let found = sorted(all.into_iter().map(|bin| (inspect(&bin), bin)));
        assert_eq!(found.usable.iter().map(|tool| tool.major).collect::<Vec<_>>(), [15]);
        assert_eq!(found.rejected, [(bare.path().to_owned(), "is built without OpenSSL".to_owned())]);
    }

    #[test]
    fn unpacked_packages_that_no_longer_run_say_why() {
        let folder = tempfile::tempdir().unwrap();
        assert!(unpacked(folder.path()).unwrap_err().contains("usr/lib/postgresql"));
        fs::create_dir_all(folder.path().join("usr/lib/postgresql/15/bin")).unwrap();
        assert!(unpacked(folder.path()).unwrap_err().contains("has no program postgres"));
    }
}

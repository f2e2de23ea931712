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
pub struct Installations {
    /// Those that can be used, oldest major first.
    pub usable: Vec<PostgresTool>,
    /// The others: the folder of the programs, and what it lacks, as a fragment after it.
    pub rejected: Vec<(PathBuf, String)>,
}

/// Those of the system.
pub fn installed() -> Installations {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    let real =
        |program: PathBuf| program.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
    folders.extend(on_path("postgres").into_iter().filter_map(real));
    if folders.is_empty() {
        folders.extend(
            on_path("pg_config")
                .first()
                .and_then(|program| ask(program, "--bindir", None))
                .map(PathBuf::from),
        );
    }
    folders.sort();
    folders.dedup();
    sorted(folders.into_iter().map(|bin| (inspect(&bin, None), bin)))
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
pub fn unpacked(folder: &Path) -> Result<PostgresTool, String> {
    let entries = |path: &str| std::fs::read_dir(folder.join(path)).into_iter().flatten().flatten();
    let version = entries("usr/lib/postgresql").next().ok_or("has no folder usr/lib/postgresql")?;
    let mut libraries = entries("usr/lib").map(|entry| entry.path());
    let lib = libraries.find(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    inspect(&version.path().join("bin"), lib)
}

/// Reads the version of the installation in `bin`.
///
/// # Errors
/// What it lacks, as a fragment after the path.
pub fn inspect(bin: &Path, lib: Option<PathBuf>) -> Result<PostgresTool, String> {
    if let Some(missing) = PROGRAMS.iter().find(|program| !is_program(&bin.join(program))) {
        return Err(format!("has no program {missing}"));
    }
    if !has_openssl(bin, lib.as_deref()) {
        return Err("is built without OpenSSL".to_owned());
    }
    let said = ask(&bin.join("postgres"), "--version", lib.as_deref()).unwrap_or_default();
    // For example `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    let version = said.split("(PostgreSQL) ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let major = version.and_then(|version| version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    match (version, major) {
        (Some(version), Some(major)) => {
            Ok(PostgresTool { major, version: version.to_owned(), bin: bin.to_owned(), lib })
        }
        _ => Err("has a postgres that does not tell its version".to_owned()),
    }
}

/// Its build options tell; where they are not packaged, the server names the library that it links.
fn has_openssl(bin: &Path, lib: Option<&Path>) -> bool {
    match ask(&bin.join("pg_config"), "--configure", lib) {
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

fn ask(program: &Path, question: &str, lib: Option<&Path>) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(question).env("LC_ALL", "C");
    if let Some(lib) = lib {
        command.env("LD_LIBRARY_PATH", lib);
    }
    command::ask(&mut command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        let found = sorted(all.into_iter().map(|bin| (inspect(&bin, None), bin)));
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

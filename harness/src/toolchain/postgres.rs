//! PostgreSQL installations: where they are, and whether they have what a drill needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::host::{is_program, on_path};
use super::tools::PostgresTool;

/// What the launcher, Patroni and the observations call.
const PROGRAMS: [&str; 8] =
    ["postgres", "initdb", "pg_ctl", "pg_basebackup", "psql", "pg_rewind", "pg_controldata", "pg_isready"];

/// Those of the system that can be used, oldest major first.
pub fn installed() -> Vec<PostgresTool> {
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
    let mut found: Vec<PostgresTool> = folders.iter().filter_map(|bin| inspect(bin, None).ok()).collect();
    found.sort_by(|a, b| (a.major, &a.bin).cmp(&(b.major, &b.bin)));
    found.dedup_by_key(|tool| tool.major);
    found
}

/// The one that was unpacked from packages into `folder`.
pub fn unpacked(folder: &Path) -> Option<PostgresTool> {
    let bin = std::fs::read_dir(folder.join("usr/lib/postgresql")).ok()?.flatten().next()?.path().join("bin");
    let libraries = std::fs::read_dir(folder.join("usr/lib")).ok()?.flatten();
    let lib = libraries.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    inspect(&bin, lib).ok()
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
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! Env dirs: a file for each variable, and `envdir`, which runs a program with them on top.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

use super::log::Voice;
use crate::spilo::archive::EnvDir;

/// Writes a file unless it is there: what a person put there stays, as in Spilo.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_new(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    match file {
        Ok(mut file) => {
            Voice::Bootstrapping.info(format_args!("Writing to file {}", path.display()));
            io::Write::write_all(&mut file, content.as_bytes())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Voice::Bootstrapping.warning(format_args!(
                "File {} already exists, not overwriting. (Use option --force if necessary)",
                path.display()
            ));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Writes an env dir, readable by the image's user only.
///
/// # Errors
/// When the folder or a file cannot be written.
pub(super) fn write(folder: &Path, content: &EnvDir) -> io::Result<()> {
    for warning in &content.warnings {
        Voice::Bootstrapping.warning(warning);
    }
    if let Some(what) = content.left_out {
        Voice::left_out(what, "only Azure is there in full");
    }
    fs::create_dir_all(folder)?;
    for (name, value) in &content.entries {
        write_new(&folder.join(name), value, 0o600)?;
    }
    Ok(())
}

/// What an env dir says: `None` takes the variable away.
///
/// # Errors
/// When the folder or a file cannot be read.
pub(super) fn read(folder: &Path) -> io::Result<Vec<(OsString, Option<OsString>)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        entries.push((name, value_of(&fs::read(entry.path())?)));
    }
    Ok(entries)
}

/// As `chpst -e` reads a file: its first line without trailing blanks, NUL for a line end; no byte, no variable.
fn value_of(content: &[u8]) -> Option<OsString> {
    if content.is_empty() {
        return None;
    }
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    let value = line[..end].iter().map(|byte| if *byte == 0 { b'\n' } else { *byte }).collect();
    Some(OsString::from_vec(value))
}

/// `envdir <folder> <program> …`: becomes the program.
pub(super) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let (Some(folder), Some(program)) = (words.next().map(PathBuf::from), words.next()) else {
        eprintln!("usage: envdir dir prog");
        return ExitCode::from(100);
    };
    let entries = match read(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("envdir: fatal: unable to read directory: {}: {error}", folder.display());
            return ExitCode::from(111);
        }
    };
    let mut command = Command::new(&program);
    command.args(words);
    for (name, value) in entries {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let error = command.exec();
    eprintln!("envdir: fatal: unable to run: {}: {error}", program.display());
    ExitCode::from(111)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("etc/wal-e.d/env");
        let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let content = |value| EnvDir { entries: vec![entry("WALG_AZ_PREFIX", value)], ..EnvDir::default() };
        write(&dir, &content("azure://a/x")).unwrap();
        write(&dir, &content("azure://b/x")).unwrap();
        assert_eq!(read(&dir).unwrap(), [("WALG_AZ_PREFIX".into(), Some("azure://a/x".into()))]);
    }

    #[test]
    fn a_file_is_read_as_chpst_reads_it() {
        assert_eq!(value_of(b""), None);
        assert_eq!(value_of(b"\n"), Some("".into()));
        assert_eq!(value_of(b"one \t\ntwo"), Some("one".into()));
        assert_eq!(value_of(b"one\0two"), Some("one\ntwo".into()));
    }
}

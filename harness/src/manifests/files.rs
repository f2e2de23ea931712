//! Which files are read: those that are named, and those of manifests below folders that are named.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::ProblemKind;

use crate::diagnosis::Diagnosis;

/// What stands for stdin among the arguments.
pub(super) const STDIN: &str = "-";
/// What it is called in messages.
pub(super) const STDIN_SHOWN: &str = "<stdin>";

/// The name and text of each file, in order of their names; what cannot be read becomes a problem.
pub(super) fn read(paths: &[PathBuf], problems: &mut Vec<Diagnosis>) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == STDIN {
            files.push(path.clone());
        } else if let Err(error) = collect(path, true, &mut files) {
            problems.push(unreadable(path, &error));
        }
    }
    files.sort();
    files.dedup();
    let mut read = Vec::new();
    for file in files {
        let text = if file.as_os_str() == STDIN { stdin() } else { std::fs::read_to_string(&file) };
        match text {
            Ok(text) if file.as_os_str() == STDIN => read.push((PathBuf::from(STDIN_SHOWN), text)),
            Ok(text) => read.push((file, text)),
            Err(error) if file.as_os_str() == STDIN => problems.push(unreadable(Path::new("stdin"), &error)),
            Err(error) => problems.push(unreadable(&file, &error)),
        }
    }
    read
}

fn stdin() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Folders of tools (`.git`, `.github`) are left out, and links are not followed: they may lead round in a circle.
fn collect(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let kind = if named { std::fs::metadata(path)? } else { std::fs::symlink_metadata(path)? };
    if !kind.is_dir() {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if named || (kind.is_file() && matches!(extension, Some("yaml" | "yml" | "json"))) {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        if !entry.file_name().to_string_lossy().starts_with('.') {
            collect(&entry.path(), false, files)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnosis {
    let why = match error.kind() {
        std::io::ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
        _ => error.to_string(),
    };
    Diagnosis::new(&ProblemKind::Unreadable { file: path.display().to_string(), why }, None)
}

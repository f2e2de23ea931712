//! The last safety net: looks for secrets in everything that a drill leaves behind.

use std::path::{Path, PathBuf};

use regex::bytes::Regex;

use super::hide;
use crate::secret::Secret;

/// A secret that stands where anybody can read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Below the folder that was looked through, its path in front.
    pub file: PathBuf,
    /// 1 for the first line; 0 where the file's own name gives it away.
    pub line: usize,
    /// Of the secret that leaked.
    pub fingerprint: String,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.fingerprint)
    }
}

/// An artefact that could not be looked at: nothing was proved about it.
#[derive(Debug, thiserror::Error)]
#[error("look for secrets in {}: {source}", .path.display())]
pub struct LeakError {
    /// The folder that was searched, or what could not be read in it.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: std::io::Error,
}

/// Looks through every file below `folder` (links are not followed) for these secrets in all forms of [`hide::forms`].
///
/// # Errors
/// When a folder or file cannot be read.
pub fn find_leaks(folder: &Path, secrets: &[Secret]) -> Result<Vec<Leak>, LeakError> {
    let wanted = wanted(folder, secrets)?;
    let mut leaks = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let fail = |source| LeakError { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let kind = entry.file_type().map_err(fail)?;
            let name = entry.file_name();
            leaks.extend(
                search(&entry.path(), name.as_encoded_bytes(), &wanted).map(|leak| Leak { line: 0, ..leak }),
            );
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let content =
                    std::fs::read(&path).map_err(|source| LeakError { path: path.clone(), source })?;
                leaks.extend(search(&path, &content, &wanted));
            }
        }
    }
    leaks.sort();
    Ok(leaks)
}

/// The same for single files; one that is not there holds nothing.
///
/// # Errors
/// When one that is there cannot be read or searched.
pub fn find_leaks_in(files: &[PathBuf], secrets: &[Secret]) -> Result<Vec<Leak>, LeakError> {
    let mut leaks = Vec::new();
    for path in files {
        match std::fs::read(path) {
            Ok(content) => leaks.extend(search(path, &content, &wanted(path, secrets)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(LeakError { path: path.clone(), source }),
        }
    }
    Ok(leaks)
}

/// The fingerprints of those secrets that a text gives away; of all of them where it cannot be searched.
pub fn leaked_by(text: &str, secrets: &[Secret]) -> Vec<String> {
    let gives_away = |secret: &Secret| {
        matcher(secret)
            .is_some_and(|found| found.map_or(true, |(matcher, _)| matcher.is_match(text.as_bytes())))
    };
    secrets.iter().filter(|secret| gives_away(secret)).map(Secret::fingerprint).collect()
}

/// The same for a text that is to become the file `path`.
///
/// # Errors
/// When it cannot be searched.
pub fn leaks_in(path: &Path, text: &str, secrets: &[Secret]) -> Result<Vec<Leak>, LeakError> {
    Ok(search(path, text.as_bytes(), &wanted(path, secrets)?).collect())
}

fn wanted(place: &Path, secrets: &[Secret]) -> Result<Vec<(Regex, String)>, LeakError> {
    let fail = |error| LeakError { path: place.to_owned(), source: std::io::Error::other(error) };
    secrets.iter().filter_map(matcher).collect::<Result<_, _>>().map_err(fail)
}

/// None for a secret that is too short to be told from ordinary words.
fn matcher(secret: &Secret) -> Option<Result<(Regex, String), regex::Error>> {
    let forms: Vec<String> = hide::forms(secret).iter().map(|form| regex::escape(form)).collect();
    if forms.is_empty() {
        return None;
    }
    Some(Regex::new(&forms.join("|")).map(|regex| (regex, secret.fingerprint())))
}

/// One leak for each secret and file: the first.
fn search<'s>(
    file: &'s Path,
    content: &'s [u8],
    wanted: &'s [(Regex, String)],
) -> impl Iterator<Item = Leak> + 's {
    wanted.iter().filter_map(move |(matcher, fingerprint)| {
        let found = matcher.find(content)?;
        let line = 1 + content[..found.start()].iter().filter(|byte| **byte == b'\n').count();
        Some(Leak { file: file.to_owned(), line, fingerprint: fingerprint.clone() })
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    const KEY: &str = "c2VjcmV0+a2V5/b2Y=";

    fn leaks_of(name: &str, content: &str) -> Vec<Leak> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        std::fs::write(folder.path().join("logs").join(name), content).unwrap();
        find_leaks(folder.path(), &[Secret::new(KEY), Secret::new("another secret")]).unwrap()
    }

    #[test]
    fn a_key_is_found_in_every_form() {
        let inside = base64::engine::general_purpose::STANDARD.encode(format!("AccountKey={KEY};"));
        for content in [
            format!("first\nkey: {KEY}\n"),
            "\nsig=c2VjcmV0%2Ba2V5%2Fb2Y%3D".to_owned(),
            "\nsig=c2VjcmV0%2ba2V5%2fb2Y%3d".to_owned(),
            format!("\ndata: {inside}"),
        ] {
            let leaks = leaks_of("a.log", &content);
            assert_eq!(leaks.len(), 1, "{content}");
            assert_eq!(leaks[0].line, 2);
            assert_eq!(leaks[0].fingerprint, Secret::new(KEY).fingerprint());
        }
    }

    #[test]
    fn a_file_name_can_leak_too() {
        assert_eq!(leaks_of("another secret.txt", "")[0].line, 0);
    }

    #[test]
    fn single_files_are_searched_too_and_one_that_is_not_there_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["there.log", "not-there.log"].map(|name| folder.path().join(name));
        std::fs::write(&files[0], format!("key: {KEY}")).unwrap();
        let leaks = find_leaks_in(&files, &[Secret::new(KEY)]).unwrap();
        assert_eq!(leaks.iter().map(|leak| &leak.file).collect::<Vec<_>>(), [&files[0]]);
    }

    #[test]
    fn a_text_tells_whose_secret_it_gives_away() {
        let secrets = [Secret::new(KEY), Secret::new("another secret")];
        let text = serde_json::json!({ "seen": format!("refused {KEY}") }).to_string();
        assert_eq!(leaked_by(&text, &secrets), [secrets[0].fingerprint()]);
        assert!(leaked_by(&secrets[1].to_string(), &secrets).is_empty());
    }

    #[test]
    fn a_fingerprint_is_no_leak() {
        assert_eq!(leaks_of("a.log", &format!("key {}", Secret::new(KEY))), []);
    }

    #[test]
    fn a_folder_that_is_not_there_proves_nothing() {
        assert!(find_leaks(Path::new("/nonexistent"), &[]).is_err());
    }
}

//! The programs that were made, as one file for other machines of the same platform: a tar archive that begins with what is
//! in it and each part's digest. Nothing of it is a part before its digest was seen to be right.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::{Cache, Manifest};
use super::configuration::Configuration;
use super::error::{MakeError, ToolchainError};
use super::parts::Part;
use super::plan::Plan;
use super::progress::Silent;

/// The first entry.
const INDEX: &str = "clonedrill-tools.json";

/// What stands first in an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    platform: String,
    parts: Vec<Listed>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    part: String,
    version: String,
    /// Of its recipe.
    recipe: String,
    /// Of every file, its name and whether it can be run.
    sha256: String,
}

/// An archive that was written.
#[derive(Debug)]
pub struct Exported {
    /// For people: name and version of each.
    pub parts: Vec<String>,
    /// Of the file.
    pub sha256: String,
}

/// What became of an archive's parts; name and version of each.
#[derive(Debug, Default)]
pub struct Imported {
    /// Put into the cache now.
    pub new: Vec<String>,
    /// Left as they are in the cache.
    pub there_already: Vec<String>,
    /// They do not run here, so they will be made when they are wanted.
    pub useless: Vec<String>,
}

/// Why programs could not be written to an archive, or taken from one. Fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Which programs a run needs could not be found out.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Those that are lacking; `clonedrill tools fetch` makes them.
    #[error("find all programs in the cache: {} not made yet", .0.join(", "))]
    Missing(Vec<String>),
    /// A file or folder could not be read or written.
    #[error("{what} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done, such as `read`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It cannot be unpacked, or has not the list that an archive begins with.
    #[error("read {path}: it is no archive of `clonedrill tools export`: {why}", path = .path.display())]
    NotOurs {
        /// As the user named it.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Programs of another processor, system or C library would not run.
    #[error("use {path}: it was made for {theirs}, and this machine is {ours}", path = .path.display())]
    Platform {
        /// As the user named it.
        path: PathBuf,
        /// The platform that it was written on.
        theirs: String,
        /// This machine's platform.
        ours: String,
    },
    /// It is not the archive that the user expected: nothing of it is used.
    #[error("trust {path}: its SHA-256 is {seen}, expected {expected}", path = .path.display())]
    Digest {
        /// As the user named it.
        path: PathBuf,
        /// That of the file, in hex.
        seen: String,
        /// The one that the user gave.
        expected: String,
    },
    /// A part is not what it was when the archive was written: nothing of it is used.
    #[error("trust {part} in {path}: its SHA-256 is {seen}, and the archive's list says {expected}", path = .path.display())]
    PartDigest {
        /// As the user named it.
        path: PathBuf,
        /// Its name and version.
        part: String,
        /// That of what was unpacked, in hex.
        seen: String,
        /// That of the archive's own list, in hex.
        expected: String,
    },
    /// A part was read and found right, and did not get into the cache.
    #[error("put {part} into the cache: {source}")]
    Place {
        /// Its name and version.
        part: String,
        /// What went wrong on the way.
        source: MakeError,
    },
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Io { what, path: path.clone(), source }
}

/// Programs run on a machine of the same kind, with the same C library.
fn platform() -> String {
    let library = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-{}-{library}", std::env::consts::ARCH, std::env::consts::OS)
}

/// Writes what drills with these operators need and was made on this machine. Programs that a person gave, or that the
/// system has, are not in it.
///
/// # Errors
/// When a part has not been made yet, or the file cannot be written.
pub fn export(
    configuration: &Configuration,
    operators: &[String],
    file: &Path,
) -> Result<Exported, ArchiveError> {
    let plan = Plan::new(configuration, operators)?;
    plan.is_whole()?;
    let missing: Vec<String> = plan.missing().iter().map(Part::title).collect();
    if !missing.is_empty() {
        return Err(ArchiveError::Missing(missing));
    }
    let slots: Vec<(Part, PathBuf)> =
        plan.parts().into_iter().map(|part| (part.clone(), part.slot(&plan.cache).folder)).collect();
    let listed = |(part, folder): &(Part, PathBuf)| {
        let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let recipe = key.rsplit_once('-').map_or(key, |(_, recipe)| recipe).to_owned();
        let sha256 = digest(folder).map_err(failed("read", folder))?;
        Ok(Listed { part: part.name().to_owned(), version: part.version().to_owned(), recipe, sha256 })
    };
    let parts = slots.iter().map(listed).collect::<Result<Vec<_>, ArchiveError>>()?;
    let index = Index { platform: platform(), parts };
    let sha256 = write(file, &index, &slots).map_err(failed("write", file))?;
    Ok(Exported { parts: slots.iter().map(|(part, _)| part.title()).collect(), sha256 })
}

fn write(file: &Path, index: &Index, slots: &[(Part, PathBuf)]) -> io::Result<String> {
    let hashed = Hashed { inner: io::BufWriter::new(File::create(file)?), hash: Sha256::new() };
    let mut archive = tar::Builder::new(hashed);
    archive.follow_symlinks(false);
    let text = serde_json::to_vec_pretty(index)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, INDEX, text.as_slice())?;
    for (listed, (_, folder)) in index.parts.iter().zip(slots) {
        archive.append_dir_all(listed.inside(), folder)?;
    }
    let mut hashed = archive.into_inner()?;
    hashed.flush()?;
    Ok(hex(&hashed.hash.finalize()))
}

/// Puts an archive's parts into the cache. Those that are there stay as they are.
///
/// # Errors
/// When it is no such archive, is for another platform, or a digest is not what it should be: then nothing is taken.
pub fn import(
    configuration: &Configuration,
    file: &Path,
    expected: Option<&str>,
) -> Result<Imported, ArchiveError> {
    let cache = configuration.cache()?;
    let making = cache.root().join("making");
    fs::create_dir_all(&making).map_err(failed("create", &making))?;
    // On the cache's own disk, so that a part takes its place in one rename.
    let unpacked = tempfile::Builder::new().prefix("import-").tempdir_in(&making);
    let unpacked = unpacked.map_err(failed("create a folder in", &making))?;
    let seen = unpack(file, unpacked.path())?;
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&seen)) {
        return Err(ArchiveError::Digest { path: file.to_owned(), seen, expected: expected.to_owned() });
    }
    let index = index(file, unpacked.path())?;
    if index.platform != platform() {
        let (theirs, ours) = (index.platform, platform());
        return Err(ArchiveError::Platform { path: file.to_owned(), theirs, ours });
    }
    for listed in &index.parts {
        let folder = unpacked.path().join(listed.inside());
        let seen = digest(&folder).map_err(failed("read", &folder))?;
        if seen != listed.sha256 {
            let (part, expected) = (listed.title(), listed.sha256.clone());
            return Err(ArchiveError::PartDigest { path: file.to_owned(), part, seen, expected });
        }
    }
    let mut imported = Imported::default();
    for listed in &index.parts {
        place(&cache, listed, unpacked.path(), &mut imported)?;
    }
    Ok(imported)
}

fn unpack(file: &Path, into: &Path) -> Result<String, ArchiveError> {
    let open = File::open(file).map_err(failed("open", file))?;
    let mut hashed = Hashed { inner: io::BufReader::new(open), hash: Sha256::new() };
    let mut archive = tar::Archive::new(&mut hashed);
    archive.set_preserve_permissions(true);
    archive
        .unpack(into)
        .map_err(|error| ArchiveError::NotOurs { path: file.to_owned(), why: error.to_string() })?;
    // What follows the last entry belongs to the file, too.
    io::copy(&mut hashed, &mut io::sink()).map_err(failed("read", file))?;
    Ok(hex(&hashed.hash.finalize()))
}

fn index(file: &Path, unpacked: &Path) -> Result<Index, ArchiveError> {
    let not_ours = |why: String| ArchiveError::NotOurs { path: file.to_owned(), why };
    let text = fs::read(unpacked.join(INDEX)).map_err(|error| not_ours(format!("{INDEX}: {error}")))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| not_ours(error.to_string()))?;
    let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    let mut names = index.parts.iter().flat_map(|listed| [&listed.part, &listed.version, &listed.recipe]);
    if let Some(name) = names.find(|name| !plain(name)) {
        return Err(not_ours(format!("{name:?} names no part")));
    }
    drop(names);
    Ok(index)
}

fn place(
    cache: &Cache,
    listed: &Listed,
    unpacked: &Path,
    imported: &mut Imported,
) -> Result<(), ArchiveError> {
    let slot = cache.slot(&listed.part, &listed.version, &listed.recipe);
    if slot.read().is_some() {
        imported.there_already.push(listed.title());
        return Ok(());
    }
    let from = unpacked.join(listed.inside());
    let filled = slot.fill(&Silent, |into| {
        let manifest = Manifest::of(&from)?;
        fs::remove_dir(into).map_err(MakeError::io("replace", into))?;
        fs::rename(&from, into).map_err(MakeError::io("move into place", into))?;
        Ok(manifest)
    });
    filled.map_err(|source| ArchiveError::Place { part: listed.title(), source })?;
    match slot.read() {
        Some(_) => imported.new.push(listed.title()),
        None => imported.useless.push(listed.title()),
    }
    Ok(())
}

impl Listed {
    /// Its folder in the archive, which is that in the cache.
    fn inside(&self) -> PathBuf {
        Path::new(&self.part).join(format!("{}-{}", self.version, self.recipe))
    }

    fn title(&self) -> String {
        format!("{} {}", self.part, self.version)
    }
}

/// Of a folder: every name, what it is, and what it holds, in the order of the alphabet.
fn digest(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    of_folder(folder, Path::new(""), &mut hash)?;
    Ok(hex(&hash.finalize()))
}

fn of_folder(root: &Path, inside: &Path, hash: &mut Sha256) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let mut names = fs::read_dir(root.join(inside))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let inside = inside.join(name);
        let path = root.join(&inside);
        let meta = fs::symlink_metadata(&path)?;
        let mut head = |kind: &[u8], length: u64| {
            hash.update(kind);
            hash.update(inside.as_os_str().as_bytes());
            hash.update([0]);
            hash.update(length.to_le_bytes());
        };
        if meta.is_dir() {
            head(b"d", 0);
            of_folder(root, &inside, hash)?;
        } else if meta.is_symlink() {
            let target = fs::read_link(&path)?;
            head(b"l", target.as_os_str().len() as u64);
            hash.update(target.as_os_str().as_bytes());
        } else {
            head(if meta.permissions().mode() & 0o111 == 0 { b"f" } else { b"x" }, meta.len());
            io::copy(&mut File::open(&path)?, hash)?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what goes through it.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hash.update(&into[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// An archive of one part, as `edit` would have its list be.
    fn archive(folder: &Path, edit: impl FnOnce(&mut Index)) -> (PathBuf, String) {
        let part = folder.join("made");
        fs::create_dir_all(part.join("bin")).unwrap();
        fs::write(part.join("bin/etcd"), "a program").unwrap();
        fs::set_permissions(part.join("bin/etcd"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("etcd", part.join("bin/other")).unwrap();
        fs::write(part.join("part.json"), r#"{ "from": "a test" }"#).unwrap();
        let listed = Listed {
            part: "etcd".to_owned(),
            version: "3.6.6".to_owned(),
            recipe: "abcd0123".to_owned(),
            sha256: digest(&part).unwrap(),
        };
        let mut index = Index { platform: platform(), parts: vec![listed] };
        edit(&mut index);
        let file = folder.join("tools.tar");
        let sha256 = write(&file, &index, &[(Part::Etcd, part)]).unwrap();
        (file, sha256)
    }

    fn machine(folder: &Path) -> Configuration {
        Configuration { cache: Some(folder.join("cache")), ..Configuration::default() }
    }

    fn made(folder: &Path) -> bool {
        folder.join("cache/etcd").exists()
    }

    #[test]
    fn what_was_exported_is_a_part_elsewhere_and_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let (file, sha256) = archive(folder.path(), |_| {});
        let machine = machine(folder.path());
        let imported = import(&machine, &file, Some(&sha256.to_uppercase())).unwrap();
        assert_eq!(imported.new, ["etcd 3.6.6"]);
        let part = folder.path().join("cache/etcd/3.6.6-abcd0123");
        let mode = part.join("bin/etcd").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
        assert_eq!(fs::read_to_string(part.join("bin/other")).unwrap(), "a program");
        let imported = import(&machine, &file, None).unwrap();
        assert_eq!((imported.new.len(), imported.there_already), (0, vec!["etcd 3.6.6".to_owned()]));
        let left = fs::read_dir(folder.path().join("cache/making")).unwrap().flatten();
        let left: Vec<PathBuf> =
            left.map(|entry| entry.path()).filter(|path| !path.ends_with("etcd")).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }

    #[test]
    fn an_archive_of_another_digest_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = archive(folder.path(), |_| {});
        let error = import(&machine(folder.path()), &file, Some("00ff")).unwrap_err();
        assert!(matches!(error, ArchiveError::Digest { .. }), "{error}");
        assert!(!made(folder.path()));
    }

    #[test]
    fn a_part_that_is_not_what_the_list_says_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = archive(folder.path(), |index| index.parts[0].sha256 = "00".repeat(32));
        let error = import(&machine(folder.path()), &file, None).unwrap_err();
        assert!(error.to_string().starts_with("trust etcd 3.6.6 in "), "{error}");
        assert!(!made(folder.path()));
    }

    #[test]
    fn another_platforms_programs_and_strange_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = archive(folder.path(), |index| "riscv64-plan9".clone_into(&mut index.platform));
        let error = import(&machine(folder.path()), &file, None).unwrap_err();
        assert!(error.to_string().contains("it was made for riscv64-plan9"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = archive(folder.path(), |index| {
            let strange = Listed { part: "../..".to_owned(), ..index.parts[0].clone() };
            index.parts.push(strange);
        });
        let error = import(&machine(folder.path()), &file, None).unwrap_err();
        assert!(matches!(error, ArchiveError::NotOurs { .. }), "{error}");
        assert!(!made(folder.path()));
    }

    #[test]
    fn what_is_no_archive_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("text"), "no tar archive at all").unwrap();
        let error = import(&machine(folder.path()), &folder.path().join("text"), None).unwrap_err();
        assert!(error.to_string().contains("it is no archive of `clonedrill tools export`"), "{error}");
    }
}

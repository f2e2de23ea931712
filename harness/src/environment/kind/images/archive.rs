//! A tree as a tar stream: what is in it depends on the tree alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::ImagesError;
use super::tree::{Content, Entry, Tree};
use crate::toolchain::PartProgress;

const MEGABYTE: u64 = 1_000_000;

/// Why a stream broke off.
#[derive(Debug)]
pub(super) enum Broken {
    /// Whoever reads it has gone.
    Reader(io::Error),
    Other(ImagesError),
}

/// Writes the tree; a file's bytes are never all in memory.
pub(super) fn write(tree: &Tree, to: impl Write, progress: &dyn PartProgress) -> Result<(), Broken> {
    let (mut builder, all, mut done) = (Builder::new(to), tree.size(), 0);
    for (path, entry) in tree.entries() {
        if progress.stopped() {
            return Err(Broken::Other(ImagesError::Interrupted));
        }
        done += append(&mut builder, path, entry)?;
        progress.reached(done / MEGABYTE, all / MEGABYTE);
        progress.says("importing, in MB");
    }
    builder.into_inner().and_then(|mut to| to.flush()).map_err(Broken::Reader)
}

fn append(builder: &mut Builder<impl Write>, path: &Path, entry: &Entry) -> Result<u64, Broken> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0.into());
    header.set_gid(entry.owner.1.into());
    header.set_mtime(0);
    header.set_size(0);
    let inside = path.strip_prefix("/").unwrap_or(path);
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, inside, io::empty()).map_err(Broken::Reader)?;
            Ok(0)
        }
        Content::Link(leads_to) => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, inside, leads_to).map_err(Broken::Reader)?;
            Ok(0)
        }
        Content::Text(text) => {
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, inside, text.as_bytes()).map_err(Broken::Reader)?;
            Ok(text.len() as u64)
        }
        Content::File { source, time, .. } => {
            header.set_mtime(*time);
            let unreadable = |error| Broken::Other(ImagesError::read(source)(error));
            let file = File::open(source).map_err(unreadable)?;
            let size = file.metadata().map_err(unreadable)?.len();
            header.set_size(size);
            let mut file = Exactly { file, left: size, failed: None };
            let appended = builder.append_data(&mut header, inside, &mut file);
            match (appended, file.failed) {
                (_, Some(error)) => Err(unreadable(error)),
                (Err(error), None) => Err(Broken::Reader(error)),
                (Ok(()), None) => Ok(size),
            }
        }
    }
}

/// A file whose size was told already: one that changes meanwhile must not shift what comes after it.
struct Exactly {
    file: File,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let error = match self.file.read(&mut buffer[..wanted]) {
            Ok(0) => io::Error::other("it became shorter while it was read"),
            Ok(read) => {
                self.left -= read as u64;
                return Ok(read);
            }
            Err(error) => error,
        };
        let told = io::Error::new(error.kind(), error.to_string());
        self.failed = Some(error);
        Err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::ROOT;
    use super::*;
    use crate::toolchain::Silent;

    fn tree(source: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.folder(Path::new("/home/postgres"), 0o755, (101, 103));
        tree.text(Path::new("/etc/passwd"), "root", 0o644, ROOT);
        // Longer than a name in the oldest form of tar may be.
        let long = format!("/{}/{}", "folder".repeat(20), "name".repeat(30));
        tree.link(Path::new(&long), Path::new(&"target".repeat(30)), ROOT);
        let content = Content::File { source: source.to_owned(), size: 3, identity: String::new(), time: 7 };
        tree.add(Path::new("/bin/program"), Entry { content, mode: 0o755, owner: ROOT });
        tree
    }

    #[test]
    fn an_archive_holds_what_the_tree_does_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("program");
        std::fs::write(&source, "abc").unwrap();
        let written = || {
            let mut bytes = Vec::new();
            write(&tree(&source), &mut bytes, &Silent).unwrap();
            bytes
        };
        let bytes = written();
        std::fs::write(&source, "abc").unwrap();
        assert_eq!(bytes, written());
        let mut seen = Vec::new();
        let mut archive = tar::Archive::new(&bytes[..]);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let header = entry.header();
            let told = (header.entry_type(), header.mode().unwrap(), header.uid().unwrap());
            assert_eq!(header.mtime().unwrap(), if path == "bin/program" { 7 } else { 0 });
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            seen.push((path, told, text));
        }
        let find = |path: &str| seen.iter().find(|(found, ..)| found == path).unwrap().clone();
        assert_eq!(find("bin/program").2, "abc");
        assert_eq!(find("bin/program").1, (EntryType::Regular, 0o755, 0));
        assert_eq!(find("etc/passwd").2, "root");
        assert_eq!(find("home/postgres").1, (EntryType::Directory, 0o755, 101));
        assert!(seen.iter().any(|(path, (kind, ..), _)| path.len() > 200 && *kind == EntryType::Symlink));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = write(&tree(Path::new("/no/such/program")), io::sink(), &Silent).unwrap_err();
        assert!(matches!(error, Broken::Other(error) if error.to_string().contains("/no/such/program")));
    }
}

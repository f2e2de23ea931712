//! Programs of this machine at their own paths, with all that they are loaded with.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::ImagesError;
use super::libraries::Libraries;
use super::tree::{Content, Entry, MOST_LINKS, ROOT, Tree};

/// The host's authorities and keys are nobody's business; what pods trust is mounted.
const NEVER: [&str; 2] = ["/etc/ssl/certs", "/etc/ssl/private"];

/// Files of the host that go into a tree.
pub(super) struct Closure {
    pub(super) tree: Tree,
    libraries: Libraries,
    /// Not taken where they are only part of a folder that is.
    left_out: BTreeSet<PathBuf>,
    left_out_endings: &'static [&'static str],
    /// Folders that are in the tree with all that is in them.
    whole: BTreeSet<PathBuf>,
}

impl Closure {
    pub(super) fn new(tree: Tree) -> Self {
        Closure {
            tree,
            libraries: Libraries::new(),
            left_out: BTreeSet::new(),
            left_out_endings: &[],
            whole: BTreeSet::new(),
        }
    }

    pub(super) fn leave_out(&mut self, path: impl Into<PathBuf>) {
        self.left_out.insert(path.into());
    }

    /// The same for files whose names end so.
    pub(super) fn leave_out_endings(&mut self, endings: &'static [&'static str]) {
        self.left_out_endings = endings;
    }

    fn is_left_out(&self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        self.left_out.contains(path) || self.left_out_endings.iter().any(|ending| name.ends_with(ending))
    }

    /// Brings a path of the host with all below it, the links on the way, what they lead to, and what programs are
    /// loaded with. One that is not there is left out.
    pub(super) fn take(&mut self, path: &Path) -> Result<(), ImagesError> {
        let Some((real, meta)) = self.walk(path)? else { return Ok(()) };
        if NEVER.iter().any(|never| real.starts_with(never)) {
            return Ok(());
        }
        if meta.is_dir() { self.take_folder(&real) } else { self.take_file(&real, &meta) }
    }

    /// Brings one file to another place, with what it is loaded with.
    pub(super) fn bring(&mut self, source: &Path, place: &Path, identity: String) -> Result<(), ImagesError> {
        let size = source.metadata().map_err(ImagesError::read(source))?.len();
        let content = Content::File { source: source.to_owned(), size, identity, time: 0 };
        self.tree.add(place, Entry { content, mode: 0o755, owner: ROOT });
        self.libraries.of(source)?.iter().try_for_each(|library| self.take(library))
    }

    /// Follows a path from the root; each link on the way becomes one in the tree.
    fn walk(&mut self, path: &Path) -> Result<Option<(PathBuf, Metadata)>, ImagesError> {
        let mut at = PathBuf::from("/");
        let mut ahead: Vec<OsString> = parts(path);
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            let meta = match fs::symlink_metadata(&next) {
                Ok(meta) => meta,
                Err(error) if is_absence(&error) => return Ok(None),
                Err(error) => return Err(ImagesError::read(next)(error)),
            };
            if !meta.is_symlink() {
                at = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Ok(None);
            }
            let leads_to = fs::read_link(&next).map_err(ImagesError::read(&next))?;
            self.tree.link(&next, &leads_to, ROOT);
            if leads_to.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(parts(&leads_to));
        }
        let meta = fs::symlink_metadata(&at).map_err(ImagesError::read(&at))?;
        Ok(Some((at, meta)))
    }

    fn take_folder(&mut self, folder: &Path) -> Result<(), ImagesError> {
        if !self.whole.insert(folder.to_owned()) {
            return Ok(());
        }
        // A person's folders may be closed to others, such as a root's home; the image's user is another one.
        self.tree.folder(folder, 0o755, ROOT);
        let mut inside: Vec<PathBuf> = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(ImagesError::read(folder))?;
        inside.sort();
        for path in inside {
            if !self.is_left_out(&path) {
                self.take(&path)?;
            }
        }
        Ok(())
    }

    fn take_file(&mut self, file: &Path, meta: &Metadata) -> Result<(), ImagesError> {
        // Sockets, pipes and devices are made by who needs them.
        if !meta.is_file() || self.tree.get(file).is_some() {
            return Ok(());
        }
        // Nothing in a container becomes another user, so no program needs to begin as one.
        let mode = if meta.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        let content = Content::File {
            source: file.to_owned(),
            size: meta.size(),
            identity: format!("{}.{}", meta.mtime(), meta.mtime_nsec()),
            time: u64::try_from(meta.mtime()).unwrap_or_default(),
        };
        self.tree.add(file, Entry { content, mode, owner: ROOT });
        for library in self.libraries.of(file)? {
            self.take(&library)?;
        }
        Ok(())
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    parts.collect()
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn taken(path: &Path) -> Tree {
        let mut closure = Closure::new(Tree::default());
        closure.take(path).unwrap();
        closure.tree
    }

    fn content(tree: &Tree, path: &Path) -> Content {
        tree.get(path).unwrap_or_else(|| panic!("no {}", path.display())).content.clone()
    }

    #[test]
    fn a_program_comes_with_its_libraries_and_its_loader() {
        let tree = taken(Path::new("/bin/sh"));
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert!(matches!(content(&tree, &shell), Content::File { .. }));
        assert_eq!(tree.get(&shell).unwrap().mode, 0o755);
        for library in Libraries::new().of(&shell).unwrap() {
            let real = fs::canonicalize(&library).unwrap();
            assert!(matches!(content(&tree, &real), Content::File { .. }), "{}", library.display());
        }
    }

    #[test]
    fn links_stay_links_and_lead_to_what_they_led_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/below")).unwrap();
        fs::write(root.join("real/below/text"), "x").unwrap();
        fs::set_permissions(root.join("real"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(root.join("taken")).unwrap();
        symlink("../real", root.join("taken/link")).unwrap();
        symlink("nothing", root.join("taken/nowhere")).unwrap();
        symlink("circle", root.join("taken/circle")).unwrap();
        let tree = taken(&root.join("taken"));
        assert_eq!(content(&tree, &root.join("taken/link")), Content::Link("../real".into()));
        assert!(matches!(content(&tree, &root.join("real/below/text")), Content::File { size: 1, .. }));
        assert_eq!(tree.get(&root.join("real")).unwrap().mode, 0o755);
        assert_eq!(content(&tree, &root.join("taken/nowhere")), Content::Link("nothing".into()));
    }

    #[test]
    fn a_path_through_a_link_has_the_link_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/program"), "").unwrap();
        fs::write(root.join("usr/bin/other"), "").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        let tree = taken(&root.join("bin/program"));
        assert_eq!(content(&tree, &root.join("bin")), Content::Link("usr/bin".into()));
        assert!(tree.get(&root.join("usr/bin/program")).is_some());
        assert!(tree.get(&root.join("usr/bin/other")).is_none());
    }

    #[test]
    fn what_is_left_out_comes_only_by_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["library/tests", "library/kept"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("library/kept/x.js.map"), "").unwrap();
        let mut closure = Closure::new(Tree::default());
        closure.leave_out(root.join("library/tests"));
        closure.leave_out_endings(&[".map"]);
        closure.take(&root.join("library")).unwrap();
        assert!(closure.tree.get(&root.join("library/kept")).is_some());
        assert!(closure.tree.get(&root.join("library/kept/x.js.map")).is_none());
        assert!(closure.tree.get(&root.join("library/tests")).is_none());
        closure.take(&root.join("library/tests")).unwrap();
        assert!(closure.tree.get(&root.join("library/tests")).is_some());
    }

    #[test]
    fn the_hosts_authorities_stay_on_the_host() {
        assert_eq!(taken(Path::new("/etc/ssl/certs")).entries().count(), 0);
    }
}

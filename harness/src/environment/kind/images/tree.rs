//! The root file system of an image, before it is written: what is where, in the order of the paths.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

/// Links that lead to links that lead to links: more are a circle.
pub(super) const MOST_LINKS: usize = 40;

/// Who owns an entry: user and group.
pub(super) type Owner = (u32, u32);

pub(super) const ROOT: Owner = (0, 0);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Folder,
    Text(String),
    Link(PathBuf),
    /// A file of the host.
    File {
        source: PathBuf,
        size: u64,
        /// Changes with what is in it.
        identity: String,
        /// Its last change, in seconds, which Python's compiled modules are held against.
        time: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub content: Content,
    pub mode: u32,
    pub owner: Owner,
}

/// Absolute paths without links in their folders; every folder stands before what is in it.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, Entry>);

impl Tree {
    pub(super) fn folder(&mut self, path: &Path, mode: u32, owner: Owner) {
        self.add(path, Entry { content: Content::Folder, mode, owner });
    }

    pub(super) fn text(&mut self, path: &Path, text: impl Into<String>, mode: u32, owner: Owner) {
        self.add(path, Entry { content: Content::Text(text.into()), mode, owner });
    }

    pub(super) fn link(&mut self, path: &Path, leads_to: &Path, owner: Owner) {
        self.add(path, Entry { content: Content::Link(leads_to.to_owned()), mode: 0o777, owner });
    }

    /// The last one wins, but a folder keeps what is in it. Its folders are made where they are missing.
    pub(super) fn add(&mut self, path: &Path, entry: Entry) {
        let folder = self.real(path.parent().unwrap_or(Path::new("/")), 0);
        let Some(name) = path.file_name() else { return };
        for above in folder.ancestors().filter(|above| above.parent().is_some()) {
            let missing = Entry { content: Content::Folder, mode: 0o755, owner: ROOT };
            self.0.entry(above.to_owned()).or_insert(missing);
        }
        let mut place = folder.join(name);
        // A link to a folder stays a link: what is wanted of the folder is wanted where it leads.
        if entry.content == Content::Folder {
            place = self.real(&place, 0);
        }
        self.0.insert(place, entry);
    }

    /// Where a path leads by the links that are in the tree already.
    fn real(&self, path: &Path, links: usize) -> PathBuf {
        let mut at = PathBuf::from("/");
        for part in path.components() {
            match part {
                Component::Normal(name) => {
                    let next = at.join(name);
                    at = match self.0.get(&next).map(|entry| &entry.content) {
                        Some(Content::Link(leads_to)) if links < MOST_LINKS => {
                            self.real(&at.join(leads_to), links + 1)
                        }
                        _ => next,
                    };
                }
                Component::ParentDir => {
                    at.pop();
                }
                _ => {}
            }
        }
        at
    }

    /// Whether the path leads to something.
    pub(super) fn leads_somewhere(&self, path: &Path) -> bool {
        self.0.contains_key(&self.real(path, 0))
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Entry> {
        self.0.get(path)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// The bytes of all its files.
    pub(super) fn size(&self) -> u64 {
        let size = |entry: &Entry| match &entry.content {
            Content::File { size, .. } => *size,
            Content::Text(text) => text.len() as u64,
            Content::Folder | Content::Link(_) => 0,
        };
        self.0.values().map(size).sum()
    }

    /// Two trees with the same digest make the same image.
    pub(super) fn digest(&self) -> Sha256 {
        let mut digest = Sha256::new();
        for (path, Entry { content, mode, owner }) in self.entries() {
            let content = match content {
                // Where the host has it is no part of the image.
                Content::File { size, identity, time, .. } => format!("file {size} {identity} {time}"),
                other => format!("{other:?}"),
            };
            digest.update(format!("{path:?} {mode:o} {owner:?} {content}\n"));
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_below_a_link_lies_where_it_leads() {
        let mut tree = Tree::default();
        tree.folder(Path::new("/run"), 0o755, ROOT);
        tree.link(Path::new("/var/run"), Path::new("../run"), ROOT);
        tree.folder(Path::new("/var/run/postgresql"), 0o750, (101, 103));
        tree.folder(Path::new("/var/run"), 0o700, (101, 103));
        assert_eq!(tree.get(Path::new("/run/postgresql")).unwrap().owner, (101, 103));
        assert_eq!(tree.get(Path::new("/run")).unwrap().mode, 0o700);
        assert_eq!(tree.get(Path::new("/var/run")).unwrap().content, Content::Link("../run".into()));
        assert!(tree.get(Path::new("/var/run/postgresql")).is_none());
    }

    #[test]
    fn a_link_to_itself_ends() {
        let mut tree = Tree::default();
        tree.link(Path::new("/a"), Path::new("/a"), ROOT);
        tree.text(Path::new("/a/b"), "", 0o644, ROOT);
        assert!(tree.entries().count() >= 1);
    }

    #[test]
    fn the_digest_is_that_of_the_content_and_not_of_its_place_on_the_host() {
        let tree = |source: &str, identity: &str| {
            let mut tree = Tree::default();
            let identity = identity.to_owned();
            let content = Content::File { source: source.into(), size: 1, identity, time: 0 };
            tree.add(Path::new("/bin/x"), Entry { content, mode: 0o755, owner: ROOT });
            tree.digest().finalize()
        };
        assert_eq!(tree("/a", "1"), tree("/b", "1"));
        assert_ne!(tree("/a", "1"), tree("/a", "2"));
    }
}

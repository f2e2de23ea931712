//! Where an image is: what a person writes, as a path or a reference.

use std::path::{Path, PathBuf};

use oci_client::Reference;

/// Between a path and the name of one of its images.
const NAME: char = '#';

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A folder or an archive; which kind, its content says.
    Path {
        path: PathBuf,
        name: Option<String>,
    },
    Reference(String),
}

impl Source {
    /// What begins as a path does is one; relative ones have been made absolute by [`absolute`].
    pub(super) fn of(given: &str) -> Source {
        if !is_path(given) {
            return Source::Reference(given.to_owned());
        }
        match given.split_once(NAME) {
            Some((path, name)) => Source::Path { path: path.into(), name: Some(name.to_owned()) },
            None => Source::Path { path: given.into(), name: None },
        }
    }
}

/// Whether an image is given by a path, which no reference looks like.
pub fn is_path(given: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| given.starts_with(start))
}

/// The same where a relative path starts from `folder`.
pub fn absolute(given: &str, folder: &Path) -> String {
    match is_path(given) {
        true => folder.join(given.trim_start_matches("./")).to_string_lossy().into_owned(),
        false => given.to_owned(),
    }
}

/// A reference with all that it may leave out, so that two that mean the same are the same.
pub fn whole(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |parsed| parsed.whole())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_leaves_its_own_registry_out_and_others_do_not() {
        assert_eq!(whole("busybox:1"), whole("docker.io/library/busybox:1"));
        assert_eq!(whole("clonedrill/shell:1"), whole("docker.io/clonedrill/shell:1"));
        assert_ne!(whole("ghcr.io/a/b:1"), whole("a/b:1"));
    }

    #[test]
    fn a_path_is_told_from_a_reference_by_how_it_begins() {
        let path = |path: &str, name: Option<&str>| Source::Path {
            path: path.into(),
            name: name.map(str::to_owned),
        };
        assert_eq!(Source::of("/a/b.tar"), path("/a/b.tar", None));
        assert_eq!(Source::of("./b#x:1"), path("./b", Some("x:1")));
        assert_eq!(Source::of("ghcr.io/a/b:1"), Source::Reference("ghcr.io/a/b:1".to_owned()));
        assert_eq!(absolute("./b.tar#x", Path::new("/etc")), "/etc/b.tar#x");
        assert_eq!(absolute("../b", Path::new("/etc/x")), "/etc/x/../b");
        assert_eq!(absolute("b:1", Path::new("/etc")), "b:1");
    }
}

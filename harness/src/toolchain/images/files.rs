//! Images in files: an OCI layout, an archive of one, or what `docker save` writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tar::{Archive, EntryType};

use super::config::{Config, Descriptor, Manifest};
use super::error::ImagesError;
use super::image::{Found, FoundLayer, Origin};
use super::layer::{Slice, digest_of, is_digest};

/// Manifests and configurations are some kilobytes.
const SMALL: u64 = 16 << 20;
const MOST_LINKS: usize = 8;

/// Names of an image in an index; the first is the whole one where it is there.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// A folder or archive with images.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// Of an archive, where each file is.
    index: Option<BTreeMap<PathBuf, Stored>>,
}

#[derive(Debug)]
enum Stored {
    File { offset: u64, length: u64 },
    Link(PathBuf),
}

/// An image that is named there.
#[derive(Debug)]
pub(super) struct Named {
    pub names: Vec<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    Oci(Descriptor),
    Docker(Saved),
}

/// An entry of `manifest.json`, as `docker save` writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

impl Files {
    /// Opens what is there; nothing where it is a folder that is no layout, and so a root file system.
    pub(super) fn open(path: &Path) -> Result<Option<Files>, ImagesError> {
        let why = |why: &str| ImagesError::Source { path: path.to_owned(), why: why.to_owned() };
        let kind = path.metadata().map_err(|error| why(&error.to_string()))?;
        if kind.is_dir() {
            let is_layout = path.join("oci-layout").is_file();
            return Ok(is_layout.then(|| Files { path: path.to_owned(), index: None }));
        }
        let index = index(path).map_err(|error| why(&format!("it is no archive ({error})")))?;
        let files = Files { path: path.to_owned(), index: Some(index) };
        let known = ["index.json", "manifest.json"].iter().any(|name| files.slice(Path::new(name)).is_some());
        if known { Ok(Some(files)) } else { Err(why("it has neither an index.json nor a manifest.json")) }
    }

    /// All images that are named here.
    pub(super) fn images(&self) -> Result<Vec<Named>, ImagesError> {
        if let Some(text) = self.read(Path::new("index.json"))? {
            let index: Manifest = self.parsed("index.json", &text)?;
            let images = index.manifests.unwrap_or_default().into_iter().map(|descriptor| {
                let annotations = descriptor.annotations.clone().unwrap_or_default();
                let names = NAMES.iter().filter_map(|name| annotations.get(*name).cloned()).collect();
                Named { names, what: What::Oci(descriptor) }
            });
            return Ok(images.collect());
        }
        let text = self.read(Path::new("manifest.json"))?.unwrap_or_default();
        let saved: Vec<Saved> = self.parsed("manifest.json", &text)?;
        let named = |saved: Saved| Named {
            names: saved.repo_tags.clone().unwrap_or_default(),
            what: What::Docker(saved),
        };
        Ok(saved.into_iter().map(named).collect())
    }

    /// The image of this name, or the only one.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<Named, ImagesError> {
        let mut images = self.images()?;
        let names = images.iter().flat_map(|image| image.names.first().cloned()).collect();
        let which = |why, names| ImagesError::Which { path: self.path.clone(), why, names };
        let Some(name) = name else {
            return match images.len() {
                1 => Ok(images.remove(0)),
                0 => Err(which("there is none", names)),
                _ => Err(which("there are several", names)),
            };
        };
        let fits = |named: &str| named == name || named.ends_with(&format!("/{name}"));
        let at = images.iter().position(|image| image.names.iter().any(|named| fits(named)));
        at.map(|at| images.remove(at)).ok_or_else(|| which("none has this name", names))
    }

    /// What the image consists of.
    pub(super) fn resolve(&self, image: &Named) -> Result<Found, ImagesError> {
        let shown = match image.names.first() {
            Some(name) => format!("{name} of {}", self.path.display()),
            None => self.path.display().to_string(),
        };
        match &image.what {
            What::Oci(descriptor) => Found::of(self, &shown, descriptor),
            What::Docker(saved) => self.docker(&shown, saved),
        }
    }

    fn docker(&self, image: &str, saved: &Saved) -> Result<Found, ImagesError> {
        let missing = |what, path: &Path| ImagesError::Missing {
            image: image.to_owned(),
            what,
            digest: path.display().to_string(),
        };
        let text = self.read(&saved.config)?.ok_or_else(|| missing("the configuration", &saved.config))?;
        let digest = digest_of(&text);
        // Its name is its digest, with or without an ending.
        let stem = saved.config.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let wanted = format!("sha256:{stem}");
        if is_digest(&wanted) && wanted != digest {
            let what = "the configuration";
            return Err(ImagesError::Digest { image: image.to_owned(), what, wanted, found: digest });
        }
        let config: Config = serde_json::from_slice(&text)
            .map_err(|error| ImagesError::Config { image: image.to_owned(), why: error.to_string() })?;
        let layers = saved.layers.iter().map(|path| {
            let slice = self.slice(path).ok_or_else(|| missing("the layer", path))?;
            Ok((None, Some(slice)))
        });
        let layers: Result<Vec<_>, ImagesError> = layers.collect();
        Found::new(image, digest, config, layers?)
    }

    fn slice(&self, name: &Path) -> Option<Slice> {
        let Some(index) = &self.index else {
            let file = self.path.join(name);
            let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
            return Some(Slice { file, offset: 0, length });
        };
        let mut name = name.to_owned();
        for _ in 0..MOST_LINKS {
            match index.get(&name)? {
                Stored::File { offset, length } => {
                    return Some(Slice { file: self.path.clone(), offset: *offset, length: *length });
                }
                Stored::Link(leads_to) => name = beside(&name, leads_to),
            }
        }
        None
    }

    /// A small file; nothing where there is none.
    fn read(&self, name: &Path) -> Result<Option<Vec<u8>>, ImagesError> {
        let Some(slice) = self.slice(name) else { return Ok(None) };
        let why = |why: String| ImagesError::Source { path: self.path.clone(), why };
        if slice.length > SMALL {
            return Err(why(format!("{} is larger than any manifest", name.display())));
        }
        let read = || {
            let mut file = File::open(&slice.file)?;
            file.seek(SeekFrom::Start(slice.offset))?;
            let mut bytes = Vec::new();
            file.take(slice.length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(Some).map_err(|error: std::io::Error| why(error.to_string()))
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self, name: &str, text: &[u8]) -> Result<T, ImagesError> {
        serde_json::from_slice(text)
            .map_err(|error| ImagesError::Source { path: self.path.clone(), why: format!("{name}: {error}") })
    }
}

impl Origin for Files {
    fn small(
        &self,
        image: &str,
        descriptor: &Descriptor,
        what: &'static str,
    ) -> Result<Vec<u8>, ImagesError> {
        let missing =
            || ImagesError::Missing { image: image.to_owned(), what, digest: descriptor.digest.clone() };
        self.read(&blob(&descriptor.digest))?.ok_or_else(missing)
    }

    fn layer(&self, image: &str, descriptor: &Descriptor) -> Result<FoundLayer, ImagesError> {
        let missing = || ImagesError::Missing {
            image: image.to_owned(),
            what: "the layer",
            digest: descriptor.digest.clone(),
        };
        let slice = self.slice(&blob(&descriptor.digest)).ok_or_else(missing)?;
        Ok((Some((descriptor.digest.clone(), descriptor.size)), Some(slice)))
    }
}

fn blob(digest: &str) -> PathBuf {
    Path::new("blobs").join(digest.replacen(':', "/", 1))
}

/// Where a link in an archive leads, by the names alone.
fn beside(name: &Path, leads_to: &Path) -> PathBuf {
    let mut path = name.parent().map(Path::to_owned).unwrap_or_default();
    for part in leads_to.components() {
        match part {
            std::path::Component::ParentDir => {
                path.pop();
            }
            std::path::Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path
}

fn index(path: &Path) -> std::io::Result<BTreeMap<PathBuf, Stored>> {
    let mut index = BTreeMap::new();
    let mut archive = Archive::new(File::open(path)?);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?;
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let stored = match entry.header().entry_type() {
            EntryType::Regular => Stored::File { offset: entry.raw_file_position(), length: entry.size() },
            EntryType::Symlink => match entry.link_name()? {
                Some(leads_to) => Stored::Link(leads_to.into_owned()),
                None => continue,
            },
            _ => continue,
        };
        index.insert(name, stored);
    }
    Ok(index)
}

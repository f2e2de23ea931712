//! Images that the local environment runs in place of this machine's programs: found, held against their digests,
//! unpacked once.
//!
//! [`provide`] answers before anything starts: what it gives are folders that are there, for users that there are.

mod cached;
mod config;
mod error;
mod files;
mod image;
mod layer;
mod registry;
mod source;
mod unpack;
mod unpacked;
mod use_of;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::configuration::{Configuration, ImageSettings};
use super::progress::{PartProgress, Progress};
use super::remedy::Remedy;
use super::tools::{RunImages, Tools, UnpackedImage};
use super::users::Users;
use files::Files;
use image::{Found, FoundLayer};
use layer::Layer;
use registry::Registry;
use source::Source;
use use_of::Record;
use worker::Worker;

pub use error::ImagesError;
pub use source::{absolute, is_path, whole};
pub use use_of::hold;
pub use worker::main;

/// Has the images that a person gave, unpacked where they are missing, and puts them among the programs of the run. Blocks.
///
/// # Errors
/// [`ImagesError`]; its `verdict` is the exit code.
pub fn provide(
    configuration: &Configuration,
    tools: &mut Tools,
    progress: &dyn Progress,
) -> Result<(), ImagesError> {
    let versions = tools.operators.iter().map(|(name, tool)| (name.clone(), tool.version.clone()));
    tools.images = had(configuration, &versions.collect(), progress)?;
    Ok(())
}

/// The same for operators of these names and versions.
///
/// # Errors
/// As [`provide`].
pub fn had(
    configuration: &Configuration,
    operators: &BTreeMap<String, String>,
    progress: &dyn Progress,
) -> Result<RunImages, ImagesError> {
    let settings = &configuration.images;
    let wanted = wanted(settings, operators)?;
    let mut images = RunImages::default();
    if wanted.is_empty() {
        return Ok(images);
    }
    let store = Store::open(configuration)?;
    hold(&store.images)?;
    let mut had: BTreeMap<String, UnpackedImage> = BTreeMap::new();
    for (role, given) in wanted {
        let image = match had.get(&given) {
            Some(image) => image.clone(),
            None => {
                let shown = progress.part(&title(&role, &given));
                let image = store.had(&given, settings, &*shown);
                match image.is_ok() {
                    true => shown.done(),
                    false => shown.failed(),
                }
                image?
            }
        };
        had.insert(given, image.clone());
        images.put(role, image);
    }
    images.folder = Some(store.images);
    Ok(images)
}

/// What a person gives images for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Spilo,
    /// By the name among the programs of the run.
    Operator(String),
    /// What a manifest names.
    Reference(String),
}

impl RunImages {
    fn put(&mut self, role: Role, image: UnpackedImage) {
        match role {
            Role::Spilo => self.spilo = Some(image),
            Role::Operator(name) => drop(self.operators.insert(name, image)),
            Role::Reference(reference) => drop(self.others.insert(reference, image)),
        }
    }
}

fn title(role: &Role, given: &str) -> String {
    match role {
        Role::Spilo => "image of spilo".to_owned(),
        Role::Operator(name) => format!("image of operator {name}"),
        Role::Reference(_) => {
            let last = given.rsplit('/').next().unwrap_or(given);
            format!("image {}", last.chars().take(60).collect::<String>())
        }
    }
}

/// What is wanted, and where it is.
fn wanted(
    settings: &ImageSettings,
    operators: &BTreeMap<String, String>,
) -> Result<Vec<(Role, String)>, ImagesError> {
    let mut wanted = Vec::new();
    wanted.extend(settings.spilo.iter().map(|given| (Role::Spilo, given.clone())));
    if let Some(given) = &settings.operator {
        for (name, version) in operators {
            wanted.push((Role::Operator(name.clone()), of_version(given, version)?));
        }
    }
    for archive in &settings.archives {
        for name in names(archive)? {
            let given = format!("{}#{name}", archive.display());
            wanted.push((Role::Reference(name), given));
        }
    }
    let others = settings.others.iter();
    wanted.extend(others.map(|(reference, given)| (Role::Reference(reference.clone()), given.clone())));
    Ok(wanted)
}

/// Without a tag an operator's version is its tag; of an archive of several it is the name.
fn of_version(given: &str, version: &str) -> Result<String, ImagesError> {
    match Source::of(given) {
        Source::Reference(reference) => {
            let last = reference.rsplit('/').next().unwrap_or(&reference);
            Ok(if last.contains([':', '@']) { reference } else { format!("{reference}:{version}") })
        }
        Source::Path { path, name: None } => {
            let several = Files::open(&path)?.map(|files| files.images()).transpose()?.unwrap_or_default();
            let fits = |name: &&String| **name == version || name.ends_with(&format!(":{version}"));
            let its = several.iter().find_map(|image| image.names.iter().find(fits));
            Ok(match its {
                Some(name) if several.len() > 1 => format!("{}#{name}", path.display()),
                _ => given.to_owned(),
            })
        }
        Source::Path { .. } => Ok(given.to_owned()),
    }
}

/// The whole names of all images of an archive.
fn names(archive: &Path) -> Result<Vec<String>, ImagesError> {
    let nameless =
        || ImagesError::Source { path: archive.to_owned(), why: "it is no archive of images".to_owned() };
    let files = Files::open(archive)?.ok_or_else(nameless)?;
    Ok(files.images()?.into_iter().filter_map(|image| image.names.into_iter().next()).collect())
}

/// Removes all unpacked layers but those of images that the configuration names, or of these too; what they took, in bytes.
///
/// # Errors
/// When something runs that uses images, or the cache cannot be written to.
pub fn prune(configuration: &Configuration, all: bool) -> Result<u64, ImagesError> {
    let folder = folder(configuration)?;
    if !folder.exists() {
        return Ok(0);
    }
    let _alone = use_of::alone(&folder)?;
    let mut store = Store::open(configuration)?;
    let mut freed = 0;
    // Layers for other users are nobody's who runs as these.
    let settings = &configuration.images;
    for users in [Users::allowed().0, Users::One] {
        store.layers = cached::Layers::in_folder(&folder.join(users.key()));
        store.folder = folder.join(users.key());
        if !store.folder.exists() {
            continue;
        }
        let keep: BTreeSet<String> = match all {
            true => BTreeSet::new(),
            false => Record::all(&store.folder)
                .into_iter()
                .filter(|record| settings.all().any(|given| record.is_of(given)))
                .flat_map(|record| record.contents)
                .collect(),
        };
        freed += store.worker.prune(&store.folder, &keep)?;
        if all {
            Record::forget(&store.folder);
        }
    }
    Ok(freed)
}

/// Why a sandbox has one user only, where that is so: it is tried.
pub fn lack_of_users() -> Option<Remedy> {
    let many = Worker::new().and_then(|worker| worker.users()).is_ok_and(|users| users.are_many());
    (!many).then(|| Users::allowed().1.unwrap_or_else(Users::refused))
}

/// Images of the configuration that are known to need more users than one.
pub fn needing_many(configuration: &Configuration) -> Vec<String> {
    let Ok(folder) = folder(configuration) else { return Vec::new() };
    let records = Record::all(&folder.join(Users::One.key()));
    let given = configuration.images.all();
    let needs = |given: &&str| records.iter().any(|record| record.is_of(given) && needs_many(&record.image));
    given.filter(needs).map(str::to_owned).collect()
}

/// One that starts as root and has others' files becomes somebody else, who must be there.
fn needs_many(image: &UnpackedImage) -> bool {
    image.uid == 0 && image.others_own
}

fn folder(configuration: &Configuration) -> Result<PathBuf, ImagesError> {
    let cache = configuration.cache_folder();
    cache.map(|cache| cache.join("images")).map_err(|error| ImagesError::Worker(error.to_string()))
}

/// Where unpacked layers are kept, and who makes them.
struct Store {
    images: PathBuf,
    /// Of those that were unpacked for these users.
    folder: PathBuf,
    layers: cached::Layers,
    worker: Worker,
    users: Users,
}

impl Store {
    fn open(configuration: &Configuration) -> Result<Store, ImagesError> {
        let images = folder(configuration)?;
        let worker = Worker::new()?;
        let users = worker.users()?;
        let folder = images.join(users.key());
        cached::make_folder(&folder).map_err(|error| ImagesError::Worker(error.to_string()))?;
        let layers = cached::Layers::in_folder(&folder);
        Ok(Store { images, folder, layers, worker, users })
    }

    fn had(
        &self,
        given: &str,
        settings: &ImageSettings,
        progress: &dyn PartProgress,
    ) -> Result<UnpackedImage, ImagesError> {
        let image = match Source::of(given) {
            Source::Reference(reference) => match self.pinned(&reference) {
                Some(image) => image,
                None => {
                    progress.says("asking the registry");
                    let registry = Registry::of(&reference, settings)?;
                    let found = registry.find(progress)?;
                    self.unpacked(given, &found, progress, |layer| {
                        registry.download(layer, &self.folder, progress)
                    })?
                }
            },
            Source::Path { path, name } => match Files::open(&path)? {
                Some(files) => {
                    let found = files.resolve(&files.choose(name.as_deref())?)?;
                    let gone = |digest: &str| ImagesError::Missing {
                        image: given.to_owned(),
                        what: "the layer",
                        digest: digest.to_owned(),
                    };
                    self.unpacked(given, &found, progress, |(digest, _)| Err(gone(digest)))?
                }
                None => unpacked::of_folder(&path)?,
            },
        };
        self.suits(given, &image)?;
        Ok(image)
    }

    /// An image that a digest names, and that is there: nobody needs to be asked for it.
    fn pinned(&self, reference: &str) -> Option<UnpackedImage> {
        if !reference.contains('@') {
            return None;
        }
        let record = Record::all(&self.folder).into_iter().find(|record| record.is_of(reference))?;
        let is_there = record.contents.iter().all(|content| self.layers.note(content).is_some());
        is_there.then_some(record.image)
    }

    fn unpacked(
        &self,
        given: &str,
        found: &Found,
        progress: &dyn PartProgress,
        download: impl Fn(&(String, u64)) -> Result<registry::Downloaded, ImagesError>,
    ) -> Result<UnpackedImage, ImagesError> {
        let mut notes = Vec::new();
        for (content, (blob, slice)) in &found.layers {
            if progress.stopped() {
                return Err(ImagesError::Interrupted);
            }
            if let Some(note) = self.layers.note(content) {
                notes.push(note);
                continue;
            }
            let (at, _downloaded) = match (slice, blob) {
                (Some(slice), _) => (slice.clone(), None),
                (None, Some(blob)) => {
                    let downloaded = download(blob)?;
                    (downloaded.slice(), Some(downloaded))
                }
                (None, None) => return Err(ImagesError::Worker("a layer is nowhere".to_owned())),
            };
            let layer = Layer { at, blob: blob.clone(), content: content.clone() };
            let unpacking = self.worker.unpack(&self.folder, &layer, self.users.are_many(), progress);
            notes.push(unpacking.map_err(|error| match error {
                ImagesError::Unpack(why) => ImagesError::Unpack(format!("use the image {given}: {why}")),
                other => other,
            })?);
        }
        let folders = found.layers.iter().map(|(content, _)| self.layers.root(content)).collect();
        let image = unpacked::of(given, found, folders, notes.iter().any(|note| note.others_own))?;
        Record::write(&self.folder, given, &image, found.layers.iter().map(|(content, _)| content))?;
        Ok(image)
    }

    fn suits(&self, given: &str, image: &UnpackedImage) -> Result<(), ImagesError> {
        if self.users.are_many() || !needs_many(image) {
            return Ok(());
        }
        let (_, lack) = Users::allowed();
        let lack = lack.unwrap_or_else(Users::refused);
        Err(ImagesError::OneUser {
            image: given.to_owned(),
            problem: lack.problem,
            remedy: format!(
                "{}; or run as root, or leave the image out: the stand-in needs one user",
                lack.remedy
            ),
        })
    }
}

/// A layer that nobody has fetched yet.
fn remote(digest: &str, size: u64) -> FoundLayer {
    (Some((digest.to_owned(), size)), None)
}

//! Makes images that Docker does not have yet.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::docker::Docker;
use super::needed::{Needed, What, gateway};
use super::oci::OciArchive;
use super::own_program::OwnProgram;
use super::recipe::Recipe;
use super::{ImagesError, contents};
use crate::toolchain::{ImageSettings, PartProgress, Progress, Tools};

/// An image that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Built {
    /// The name with its tag that Docker knows it by.
    pub reference: String,
    /// In bytes, unpacked.
    pub size: u64,
    /// Whether it had to be made.
    pub how: How,
    /// How long it took; in JSON in seconds.
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub time: Duration,
}

/// What building an image came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Imported just now, from this machine's files.
    Made,
    /// Another name of one that is there.
    Named,
    /// With this very content.
    WasThere,
    /// Somebody else's, of a name that was given in `clonedrill.yaml`: it stays.
    Theirs,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Makes these images in the daemon of `DOCKER_HOST`; nodes' are left out, since a node is more than its files. Blocks.
///
/// # Errors
/// [`ImagesError`]; its `verdict` is the exit code.
pub fn build(
    tools: &Tools,
    wanted: &[Needed],
    given: &ImageSettings,
    progress: &dyn Progress,
) -> Result<Vec<Built>, ImagesError> {
    let docker = Docker::connect()?;
    let own = OwnProgram::find()?;
    let mut all: Vec<Built> = Vec::new();
    let wanted: Vec<&Needed> = wanted.iter().filter(|needed| needed.what != What::Node).collect();
    for (at, needed) in wanted.iter().enumerate() {
        if wanted[..at].iter().any(|other| is_made_alike(other, needed)) {
            continue;
        }
        let same = wanted.iter().filter(|other| is_made_alike(other, needed));
        let same = same.map(|other| other.reference.as_str());
        all.extend(shown(progress, &needed.what.title(), |shown| {
            let mut start = Instant::now();
            let recipe = recipe(tools, &own, needed)?;
            let made = same.map(|reference| {
                let how = match make(&docker, &recipe, reference, shown) {
                    // Somebody else's that was asked for by name is what the run shall have.
                    Err(ImagesError::NotOurs { .. }) if given.names(reference) => How::Theirs,
                    made => made?,
                };
                let size = docker.image(reference)?.map_or(0, |present| present.size);
                let time = start.elapsed();
                start = Instant::now();
                Ok(Built { reference: reference.to_owned(), size, how, time })
            });
            made.collect::<Result<Vec<_>, ImagesError>>()
        })?);
    }
    Ok(all)
}

/// Makes these images in one archive of an OCI layout, without any Docker; nodes' are left out. Blocks.
///
/// # Errors
/// As [`build`].
pub fn build_archive(
    tools: &Tools,
    wanted: &[Needed],
    into: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Built>, ImagesError> {
    make_folder_of(into)?;
    let own = OwnProgram::find()?;
    let mut archive = OciArchive::create(into)?;
    let mut all: Vec<Built> = Vec::new();
    let wanted: Vec<&Needed> = wanted.iter().filter(|needed| needed.what != What::Node).collect();
    for (at, needed) in wanted.iter().enumerate() {
        if wanted[..at].iter().any(|other| is_made_alike(other, needed)) {
            continue;
        }
        let same: Vec<&str> = wanted
            .iter()
            .filter(|other| is_made_alike(other, needed))
            .map(|other| other.reference.as_str())
            .collect();
        let start = Instant::now();
        let size = shown(progress, &needed.what.title(), |shown| {
            let recipe = recipe(tools, &own, needed)?;
            archive.add(&recipe, same.iter().copied(), shown)?;
            Ok(recipe.tree.size())
        })?;
        all.extend(same.iter().enumerate().map(|(at, reference)| Built {
            reference: (*reference).to_owned(),
            size,
            how: if at == 0 { How::Made } else { How::Named },
            time: if at == 0 { start.elapsed() } else { Duration::ZERO },
        }));
    }
    archive.finish()?;
    Ok(all)
}

/// Of Spilo, each release is made for itself: the tag says whose behaviour the stand-in has.
fn is_made_alike(one: &Needed, other: &Needed) -> bool {
    one.what == other.what && (one.what != What::Spilo || one.reference == other.reference)
}

fn shown<T>(
    progress: &dyn Progress,
    title: &str,
    make: impl FnOnce(&dyn PartProgress) -> Result<T, ImagesError>,
) -> Result<T, ImagesError> {
    let shown = progress.part(title);
    let made = make(&*shown);
    if made.is_ok() {
        shown.done()
    } else {
        shown.failed()
    }
    made
}

/// Makes sure that there is a Docker to make images in, before anything is fetched for them.
///
/// # Errors
/// What is in the way.
pub fn can_build() -> Result<(), ImagesError> {
    Docker::connect().map(drop)
}

fn recipe(
    tools: &Tools,
    own: &OwnProgram,
    Needed { reference, what }: &Needed,
) -> Result<Recipe, ImagesError> {
    match what {
        What::Operator(name) => contents::operator(tools, name),
        What::Spilo => contents::spilo(tools, own, reference),
        What::Azurite => contents::azurite(&tools.azurite),
        What::Gateway => contents::gateway(own),
        What::Shell | What::Node => contents::shell(),
    }
}

/// The reference of the image that the storage gateway runs in, which is made unless Docker has it. Blocks.
///
/// # Errors
/// As [`build`].
pub fn gateway_image(progress: &dyn Progress) -> Result<String, ImagesError> {
    let docker = Docker::connect()?;
    let own = OwnProgram::find()?;
    let reference = gateway(&own);
    // Its name tells its content.
    if docker.image(&reference)?.is_none() {
        shown(progress, &What::Gateway.title(), |shown| {
            make(&docker, &contents::gateway(&own)?, &reference, shown)
        })?;
    }
    Ok(reference)
}

/// Writes images that are there into one archive, for `kind load image-archive`. Blocks.
///
/// # Errors
/// When Docker cannot, or the file cannot be written.
pub fn save(built: &[Built], into: &Path, progress: &dyn Progress) -> Result<(), ImagesError> {
    let references: Vec<&str> = built.iter().map(|built| built.reference.as_str()).collect();
    make_folder_of(into)?;
    shown(progress, "archive", |shown| Docker::connect()?.save(&references, into, shown))
}

fn make_folder_of(file: &Path) -> Result<(), ImagesError> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        None => Ok(()),
        Some(folder) => std::fs::create_dir_all(folder)
            .map_err(|source| ImagesError::Write { path: folder.to_owned(), source }),
    }
}

fn make(
    docker: &Docker,
    recipe: &Recipe,
    reference: &str,
    progress: &dyn PartProgress,
) -> Result<How, ImagesError> {
    let content = recipe.content();
    let before = docker.image(reference)?;
    match &before {
        Some(present) if present.content.as_deref() == Some(&content) => return Ok(How::WasThere),
        Some(present) if present.content.is_none() => {
            return Err(ImagesError::NotOurs { reference: reference.to_owned() });
        }
        _ => {}
    }
    let same = docker.with_content(&content)?;
    let how = match same {
        Some(id) => {
            docker.tag(&id, reference)?;
            How::Named
        }
        None => {
            docker.import(recipe, reference, progress)?;
            How::Made
        }
    };
    // What had the name is in nobody's way but the disk's.
    if let Some(present) = before {
        progress.says("removing the one that had the name");
        docker.remove_unnamed(&present.id);
    }
    Ok(how)
}

#[cfg(test)]
mod tests {
    use super::super::docker::tests::{fake, recipe};
    use super::*;
    use crate::toolchain::Silent;

    #[test]
    fn an_image_that_somebody_else_made_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = make(&fake(&folder), &recipe(), "theirs", &Silent).unwrap_err();
        assert!(matches!(&error, ImagesError::NotOurs { reference } if reference == "theirs"), "{error}");
        assert_eq!(error.verdict(), crate::exit::Verdict::Invalid);
        assert!(!folder.path().join("imported").exists());
    }

    #[test]
    fn what_is_missing_or_of_another_content_is_made_and_what_is_there_gets_a_name() {
        for reference in ["nowhere", "ours"] {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(make(&fake(&folder), &recipe(), reference, &Silent).unwrap(), How::Made);
            assert!(folder.path().join("imported").exists(), "{reference}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("same"), "sha256:9\n").unwrap();
        assert_eq!(make(&fake(&folder), &recipe(), "nowhere", &Silent).unwrap(), How::Named);
        let tagged = std::fs::read_to_string(folder.path().join("tagged")).unwrap();
        assert_eq!(tagged, "tag sha256:9 nowhere\n");
    }
}

//! The images that a cluster has been given. References stay those that the releases name, whatever registry an image is
//! from: no manifest is changed for it.

use std::collections::BTreeSet;

use tokio::sync::Mutex;

use super::cluster::Cluster;
use super::docker;
use super::error::KindError;
use super::images::{MAJORS, Needed, What, gateway_image, needed};
use crate::environment::EnvironmentError;
use crate::spilo::Release;
use crate::toolchain::{ImageSettings, Silent, Tools};

/// What Docker needs to have before there is a cluster, and what its nodes have by now.
pub(super) struct Provided {
    settings: ImageSettings,
    loaded: Mutex<BTreeSet<String>>,
    pub gateway: String,
    pub azurite: String,
}

impl Provided {
    /// Makes sure that Docker has the images that every drill with these programs needs.
    ///
    /// # Errors
    /// The image that cannot be had.
    pub(super) async fn prepare(
        settings: &ImageSettings,
        tools: &Tools,
        told: impl Fn(&str),
    ) -> Result<Provided, EnvironmentError> {
        told("the storage gateway's image");
        let made = tokio::task::spawn_blocking(|| gateway_image(&Silent)).await;
        let made = made.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        let gateway = made.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        let mut azurite = String::new();
        for (image, from) in wanted(settings, tools)? {
            told(&format!("the image {from}"));
            have(&image, &from).await?;
            if image.what == What::Azurite {
                azurite = from;
            }
        }
        Ok(Provided { settings: settings.clone(), loaded: Mutex::default(), gateway, azurite })
    }

    /// Gives the cluster what pods of drills with these programs are made of, and it does not have yet.
    ///
    /// # Errors
    /// The image that cannot be had, or a node without room for it.
    pub(super) async fn load(&self, cluster: &Cluster, tools: &Tools) -> Result<(), EnvironmentError> {
        let mut loaded = self.loaded.lock().await;
        let mut missing = vec![self.gateway.clone()];
        for (image, from) in wanted(&self.settings, tools)? {
            if image.what == What::Azurite || loaded.contains(&image.reference) {
                continue;
            }
            have(&image, &from).await?;
            missing.push(image.reference);
        }
        missing.retain(|reference| !loaded.contains(reference));
        if !missing.is_empty() {
            cluster.load(&missing).await?;
            loaded.extend(missing);
        }
        Ok(())
    }
}

/// Makes sure that Docker has an image, and pods' images under the names that their manifests have.
async fn have(image: &Needed, from: &str) -> Result<(), KindError> {
    docker::have(from).await?;
    if image.what != What::Azurite && from != image.reference {
        docker::name(from, &image.reference).await?;
    }
    Ok(())
}

/// The operators', Spilo's and Azurite's images as the cluster asks for them, each with where it is had from.
fn wanted(settings: &ImageSettings, tools: &Tools) -> Result<Vec<(Needed, String)>, KindError> {
    let failed = |error: super::images::ImagesError| KindError::Docker {
        what: "find out which images are needed".to_owned(),
        why: error.to_string(),
    };
    let operators: Vec<String> = tools.operators.keys().cloned().collect();
    let from = needed(tools, settings, &operators).map_err(failed)?;
    let all = needed(tools, &ImageSettings::default(), &operators).map_err(failed)?;
    let pods = all.into_iter().filter(|one| !one.what.is_ours() && one.what != What::Node);
    let with_source = pods.map(|one| {
        let same = from.iter().find(|other| **other == one);
        let source = same.or_else(|| from.iter().find(|other| other.what == one.what));
        let source = source.map_or_else(|| one.reference.clone(), |source| source.reference.clone());
        (one, source)
    });
    Ok(with_source.collect())
}

/// Where Spilo's image has its PostgreSQLs, each in a folder that is called after its major.
const POSTGRESQLS: &str = "/usr/lib/postgresql";

/// The majors of PostgreSQL in the image of Spilo that pods get: by our own label, else by what lies in the image, else by
/// what is known of its release. None where nothing tells.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn majors(settings: &ImageSettings, tools: &Tools) -> Result<Option<Vec<u16>>, KindError> {
    let spilo = wanted(settings, tools)?.into_iter().find(|(image, _)| image.what == What::Spilo);
    let Some((_, from)) = spilo else { return Ok(None) };
    let template = format!("{{{{index .Config.Labels {MAJORS:?}}}}}");
    let said = docker::inspect_image(&from, &template).await?.unwrap_or_default();
    let labelled = numbers(said.split(','));
    if !labelled.is_empty() {
        return Ok(Some(labelled));
    }
    let listed = docker::list_in_image(&from, POSTGRESQLS).await?;
    let inside = numbers(listed.iter().map(String::as_str));
    Ok(Some(inside).filter(|majors| !majors.is_empty()).or_else(|| released(&from)))
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u16> {
    let mut numbers: Vec<u16> = words.filter_map(|word| word.trim().parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// An image may be compressed, and unpack itself when a container starts.
fn released(reference: &str) -> Option<Vec<u16>> {
    let (oldest, newest) = Release::of_image(reference)?.programs()?.majors;
    Some((oldest..=newest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majors_of_an_image_are_those_that_lie_in_it_or_that_its_release_has() {
        assert_eq!(numbers(["17", "13", "15", "common", ""].into_iter()), [13, 15, 17]);
        assert_eq!(released("mirror:5000/spilo-17:4.0-p3"), Some(vec![13, 14, 15, 16, 17]));
        assert_eq!(
            released("mirror:5000/spilo-15:3.0-p1").and_then(|majors| majors.last().copied()),
            Some(15)
        );
        assert_eq!(released("mirror:5000/spilo:latest"), None);
    }
}

//! The images that a cluster has been given. References stay those that the releases name, whatever registry an image is
//! from: no manifest is changed for it.

use std::collections::BTreeSet;

use tokio::sync::Mutex;

use super::cluster::Cluster;
use super::docker;
use super::error::KindError;
use super::images::{MAJORS, Needed, What, gateway_image, needed};
use crate::environment::EnvironmentError;
use crate::toolchain::{ImageSettings, Silent, Tools};

/// What Docker needs to have before there is a cluster, and what its nodes have by now.
pub struct Provided {
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
    pub async fn prepare(
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
    pub async fn load(&self, cluster: &Cluster, tools: &Tools) -> Result<(), EnvironmentError> {
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

/// The majors of PostgreSQL in the image of Spilo that pods get, where it says so; a released one does not.
///
/// # Errors
/// When Docker does not answer.
pub async fn majors(settings: &ImageSettings, tools: &Tools) -> Result<Option<Vec<u16>>, KindError> {
    let spilo = wanted(settings, tools)?.into_iter().find(|(image, _)| image.what == What::Spilo);
    let Some((_, from)) = spilo else { return Ok(None) };
    let template = format!("{{{{index .Config.Labels {MAJORS:?}}}}}");
    let said = docker::inspect_image(&from, &template).await?.unwrap_or_default();
    let majors: Vec<u16> = said.split(',').filter_map(|major| major.parse().ok()).collect();
    Ok(Some(majors).filter(|majors| !majors.is_empty()))
}

//! What the command line says of the environment that drills run in.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::Failure;
use crate::environment::Which;
use crate::toolchain::{Configuration, images};

/// The choice of the environment.
#[derive(Debug, Args)]
pub(super) struct EnvironmentArgs {
    /// Where the drills run
    #[arg(long, env = "CLONEDRILL_ENVIRONMENT", default_value = Which::Local.description().name, value_parser = which())]
    pub environment: Which,
    /// `spilo=IMAGE`, `operator=IMAGE`, or what a manifest names in place of these: the image that runs for it, a
    /// reference or (local) a path; may be given more than once. Without a `=` it is the image of kind's node,
    /// which CLONEDRILL_NODE_IMAGE gives, too
    #[arg(long, value_name = "[WHAT=]IMAGE")]
    pub image: Vec<String>,
    /// An archive of images (OCI or `docker save`), each under its own name; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub load_image: Vec<PathBuf>,
}

/// The image of kind's node.
const NODE_IMAGE: &str = "CLONEDRILL_NODE_IMAGE";

impl EnvironmentArgs {
    /// The configuration with the images that the command line gives.
    ///
    /// # Errors
    /// When the working directory cannot be found, from which paths start.
    pub(super) fn with_images(&self, configuration: Configuration) -> Result<Configuration, Failure> {
        let given: Vec<String> = self.image.iter().filter(|image| image.contains('=')).cloned().collect();
        let mut configuration = with_images(configuration, &given)?;
        let archives = self.load_image.iter().map(std::path::absolute);
        let archives: Result<Vec<PathBuf>, _> = archives.collect();
        configuration.images.archives.extend(archives.map_err(Failure::broken_while("find an archive"))?);
        Ok(configuration)
    }

    /// The image of kind's node, where one is given.
    pub(super) fn node_image(&self) -> Option<String> {
        let given = self.image.iter().rfind(|image| !image.contains('='));
        given.cloned().or_else(|| std::env::var(NODE_IMAGE).ok().filter(|image| !image.is_empty()))
    }
}

/// The configuration with images that were given as `WHAT=IMAGE`.
///
/// # Errors
/// For an argument without a `=`, and when the working directory cannot be found, from which paths start.
pub(super) fn with_images(
    mut configuration: Configuration,
    given: &[String],
) -> Result<Configuration, Failure> {
    let here = std::env::current_dir().map_err(Failure::broken_while("find the working directory"))?;
    for one in given {
        let Some((what, image)) = one.split_once('=') else {
            return Err(Failure::invalid(miette::miette!(
                help = "say for what: `--image spilo=IMAGE`, `operator=IMAGE`, or what a manifest names",
                "failed to use the image {one}: nobody knows for what"
            )));
        };
        configuration.images.give(what, images::absolute(image, &here));
    }
    Ok(configuration)
}

/// One of the environments, by its name.
pub(super) fn which() -> impl TypedValueParser<Value = Which> {
    let described = Which::ALL.map(Which::description);
    let values = described.map(|described| PossibleValue::new(described.name).help(described.about));
    PossibleValuesParser::new(values).try_map(|name| Which::named(&name).ok_or("it is no environment"))
}

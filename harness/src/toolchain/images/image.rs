//! An image as it was found, wherever that was: its configuration, and its layers from the lowest on.

use super::config::{ARCHITECTURE, Config, Descriptor, Manifest};
use super::error::ImagesError;
use super::layer::{Slice, digest_of, is_digest};

/// An index of indexes of images: more is a circle.
const MOST_INDEXES: usize = 4;

/// A layer's digest and size where a manifest says them, and where it is unless it must be fetched.
pub(super) type FoundLayer = (Option<(String, u64)>, Option<Slice>);

/// Where blobs are had from.
pub(super) trait Origin {
    /// A manifest or configuration; whoever asks holds it against its digest.
    fn small(&self, image: &str, descriptor: &Descriptor, what: &'static str)
    -> Result<Vec<u8>, ImagesError>;

    /// Where a layer is.
    fn layer(&self, image: &str, descriptor: &Descriptor) -> Result<FoundLayer, ImagesError>;
}

/// An image that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Of its manifest, or of its configuration where it has none.
    pub digest: String,
    pub config: Config,
    /// What is packed in each layer, and where that is.
    pub layers: Vec<(String, FoundLayer)>,
}

impl Found {
    /// What a descriptor leads to: the manifest for this machine, of an index.
    pub(super) fn of(
        origin: &impl Origin,
        image: &str,
        descriptor: &Descriptor,
    ) -> Result<Found, ImagesError> {
        let mut descriptor = descriptor.clone();
        for _ in 0..MOST_INDEXES {
            let text = small(origin, image, &descriptor, "the manifest")?;
            let manifest: Manifest = parsed(image, &text)?;
            match (manifest.manifests, manifest.config) {
                (_, Some(config)) => {
                    let text = small(origin, image, &config, "the configuration")?;
                    let layers = manifest.layers.unwrap_or_default();
                    let layers = layers.iter().map(|layer| {
                        checked(image, "the layer", &layer.digest)?;
                        origin.layer(image, layer)
                    });
                    let layers: Result<Vec<_>, _> = layers.collect();
                    return Found::new(image, descriptor.digest, parsed(image, &text)?, layers?);
                }
                (Some(several), None) => descriptor = for_this_machine(image, &several)?,
                (None, None) => return Err(bad(image, "its manifest names no configuration")),
            }
        }
        Err(bad(image, "its manifests lead to one another"))
    }

    /// Of what was found, where it is for this machine.
    pub(super) fn new(
        image: &str,
        digest: String,
        config: Config,
        layers: Vec<FoundLayer>,
    ) -> Result<Found, ImagesError> {
        if config.os != "linux" || config.architecture != ARCHITECTURE {
            return Err(ImagesError::Architecture {
                image: image.to_owned(),
                found: format!("{}/{}", config.os, config.architecture),
                wanted: format!("linux/{ARCHITECTURE}"),
            });
        }
        let contents = config.rootfs.diff_ids.clone();
        if contents.len() != layers.len() {
            return Err(bad(
                image,
                &format!("it has {} layers, and its configuration names {}", layers.len(), contents.len()),
            ));
        }
        for content in &contents {
            checked(image, "the layer", content)?;
        }
        Ok(Found { digest, config, layers: contents.into_iter().zip(layers).collect() })
    }
}

/// A digest becomes part of a path, and one that cannot be checked proves nothing.
fn checked(image: &str, what: &str, digest: &str) -> Result<(), ImagesError> {
    match is_digest(digest) {
        true => Ok(()),
        false => Err(bad(image, &format!("the digest of {what}, {digest:?}, is no SHA-256"))),
    }
}

fn small(
    origin: &impl Origin,
    image: &str,
    descriptor: &Descriptor,
    what: &'static str,
) -> Result<Vec<u8>, ImagesError> {
    checked(image, what, &descriptor.digest)?;
    let text = origin.small(image, descriptor, what)?;
    let found = digest_of(&text);
    match found == descriptor.digest {
        true => Ok(text),
        false => Err(ImagesError::Digest {
            image: image.to_owned(),
            what,
            wanted: descriptor.digest.clone(),
            found,
        }),
    }
}

fn for_this_machine(image: &str, several: &[Descriptor]) -> Result<Descriptor, ImagesError> {
    // Where nothing tells, the image's configuration does.
    let ours = several.iter().find(|one| one.platform.as_ref().is_none_or(super::config::Platform::is_ours));
    ours.cloned().ok_or_else(|| {
        let platforms = several.iter().filter_map(|one| one.platform.as_ref());
        let found: Vec<String> =
            platforms.map(|platform| format!("{}/{}", platform.os, platform.architecture)).collect();
        ImagesError::Architecture {
            image: image.to_owned(),
            found: found.join(", "),
            wanted: format!("linux/{ARCHITECTURE}"),
        }
    })
}

fn parsed<T: serde::de::DeserializeOwned>(image: &str, text: &[u8]) -> Result<T, ImagesError> {
    serde_json::from_slice(text).map_err(|error| bad(image, &error.to_string()))
}

fn bad(image: &str, why: &str) -> ImagesError {
    ImagesError::Config { image: image.to_owned(), why: why.to_owned() }
}

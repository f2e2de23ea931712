//! An operator's release: its own manifests, and what is changed in them.

mod configuration;
mod fields;
mod manifests;

pub use configuration::merge;
pub use manifests::{ManifestError, RELEASE_ANNOTATION, Release};

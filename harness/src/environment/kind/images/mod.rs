//! The images of the environment `kind`: which ones a run needs, and making them of this machine's own programs, where
//! there is no registry to have them from.
//!
//! No image has a base: each is what [`crate::environment::local::images`] says of it, with those programs of the host
//! that it needs rather than all of them.

mod archive;
mod build;
mod closure;
mod contents;
mod docker;
mod error;
mod libraries;
mod needed;
mod oci;
mod own_program;
mod python;
mod recipe;
mod system;
mod tree;

pub use build::{Built, How, build, build_archive, can_build, gateway_image, save};
pub use error::ImagesError;
pub use needed::{Needed, What, needed};

/// The label of an image that was made here; its value changes with the image's content.
pub const LABEL: &str = "clonedrill.content";
/// The label of an image with PostgreSQL: its majors, with commas between them.
pub const MAJORS: &str = "clonedrill.postgres-majors";

//! The image store: what stands behind an image reference.

pub mod spilo;

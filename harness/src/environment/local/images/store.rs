//! The store: from an image reference to an [`super::Image`].

use crate::toolchain::Tools;

/// The images that this environment can run.
pub struct ImageStore {
    _tools: Tools,
}

impl ImageStore {
    pub fn new(tools: Tools) -> Self {
        ImageStore { _tools: tools }
    }
}

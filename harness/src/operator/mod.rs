//! The operator: install, configure, upgrade.

mod clusters;
mod install;
pub mod patroni;
mod pod;

pub use crate::environment::cluster::{ApplyError, apply, change, create, create_all};
pub use crate::environment::is_ready;
pub use crate::release::{ManifestError, Release, merge};
pub use clusters::{image_of, leads, postgresql_kind, postgresqls, status};
pub use install::{InstallError, WORKING, definitions, install, install_for_all, owner, upgrade};
pub use pod::{CONTROLLER_ANNOTATION, OperatorPod, SettingsName};

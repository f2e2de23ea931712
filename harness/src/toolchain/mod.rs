//! The real programs: which version, from where, where kept.
//!
//! [`Configuration`] says which programs a person gave; [`ensure`] fetches or builds the rest once into a
//! cache and answers with [`Tools`]; [`survey`] tells what is there without changing anything.

mod archive;
mod cache;
pub(crate) mod command;
mod configuration;
pub mod doctor;
mod ensure;
mod error;
mod found;
mod go;
mod host;
pub mod images;
mod kind;
mod parts;
mod plan;
mod postgres;
mod progress;
mod remedy;
mod status;
#[cfg(test)]
mod supported;
mod tools;
pub mod users;
mod wal_g;

pub use archive::{ArchiveError, Exported, Imported, export, import};
pub use configuration::{
    Acceptance, CheckSettings, Configuration, ConfigurationError, ImageSettings, KindSettings, PrefixNames,
    Program, Retention, SPILO_IMAGE, ways_to_give,
};
pub use ensure::{ensure, ensure_for_images, ensure_kind, ensure_postgres};
pub use error::ToolchainError;
pub use kind::{KIND_NODE, KindTool};
pub use parts::{AZURITE_VERSION, DEFAULT_OPERATORS, check_version};
pub use progress::{PartProgress, Progress, Silent, Terminal};
pub use remedy::Remedy;
pub use status::{PartState, PartStatus, survey};
pub use tools::*;

/// A PostgreSQL for a test of what it does: the newest that drills would run on.
#[cfg(test)]
pub(crate) fn newest_postgres() -> PostgresTool {
    let configuration = Configuration::load(std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    let all = ensure_postgres(&configuration.expect("a configuration that can be read"), &Silent);
    all.expect("a PostgreSQL").pop().expect("at least one")
}

/// All programs for a test that needs real ones, or `None` where one would have to be fetched or built first.
#[cfg(test)]
pub(crate) fn ready() -> Option<Tools> {
    ready_with(&[])
}

/// The same with operators.
#[cfg(test)]
pub(crate) fn ready_with(operators: &[&str]) -> Option<Tools> {
    let operators: Vec<String> = operators.iter().map(|name| (*name).to_owned()).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let configuration = Configuration::load(folder).expect("a configuration that can be read");
    let parts = survey(&configuration, &operators).expect("a cache that can be read");
    if parts.iter().any(|part| part.state == PartState::Missing) {
        eprintln!("not tested: `clonedrill tools` does not have all programs yet");
        return None;
    }
    Some(ensure(&configuration, &operators, &Silent).expect("the programs that were just there"))
}

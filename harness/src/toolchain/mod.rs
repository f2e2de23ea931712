//! The real programs: which version, from where, where kept.
//!
//! [`Configuration`] says which programs a person gave; [`ensure`] fetches or builds the rest once into a
//! cache and answers with [`Tools`]; [`survey`] tells what is there without changing anything.

mod cache;
mod command;
mod configuration;
pub mod doctor;
mod ensure;
mod error;
mod go;
mod host;
mod parts;
mod plan;
mod postgres;
mod progress;
mod remedy;
mod status;
mod tools;
mod wal_g;

pub use configuration::{Configuration, ConfigurationError, Program};
pub use ensure::ensure;
pub use error::ToolchainError;
pub use parts::{DEFAULT_OPERATORS, check_version};
pub use progress::{PartProgress, Progress, Silent, Terminal};
pub use remedy::Remedy;
pub use status::{PartState, PartStatus, survey};
pub use tools::*;

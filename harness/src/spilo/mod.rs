//! The contract of Spilo: what its container does with its environment. Pure: nothing is started, read or written here.
//!
//! The stand-in does what this says; `check`, `inventory` and restore drills ask it. Facts are Spilo's own sources (4.x).

pub mod archive;
pub mod azure;
pub mod backup_list;
pub mod cleaned;
pub mod encryption;
mod expand;
pub mod log_tags;
pub mod merge;
pub mod model;
pub mod names;
pub mod parameters;
pub mod pauses;
mod pod;
pub mod release;
pub mod retention;
mod schedule;
pub mod search;
mod settings;
mod store;
pub mod switches;
pub mod tuning;
mod variables;

pub use archive::Scope;
pub use expand::expand;
pub use model::{Archive, Bootstrap, Model, Why};
pub use pod::{Azure, CredentialKind, EnvItem, Literal, Objects, Pod, Unread, WhyLiteral, env_of, is_known};
pub use release::Release;
pub use schedule::{BadSchedule, Schedule};
pub use settings::{CloneMethod, Settings};
pub use store::Store;
pub use variables::Variables;

//! The render level: what the real operator writes for people's own manifests, and where each value came from.
//!
//! No database runs. The input is created on a real control plane twice, in two worlds side by side, each with
//! an operator of its own: once as it is, and once with a marker in each free text. The operator writes StatefulSets into
//! both; markers that stand in the second one's env tell where the values of the first came from.

mod again;
mod blueprint;
mod difference;
mod engine;
mod error;
mod flags;
mod follow;
mod form;
mod log;
mod mark;
mod markers;
mod operator;
mod operators;
mod pace;
mod provenance;
mod scenario;
mod session;
mod types;
mod upgrade;
mod warnings;
mod world;

pub use difference::{
    ClusterDifference, EnvChange, FieldChange, Outcome, SetDifference, between, fields, only_in,
};
pub use engine::{Rendered, Told, render_in, write_in};
pub use error::RenderError;
pub use scenario::{input_of, pointer_in};
pub use session::{RenderEvent, RenderJob, Task, WORKER, operator_alone, render, upgrade};
pub use types::*;
pub use upgrade::{Fate, Takeover, Upgrade, upgrade_in};

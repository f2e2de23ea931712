//! Restore drills: a cluster that exists is cloned from its real backup, the clone is held against what is wanted of it,
//! and removed.

mod archive;
mod bearing;
mod bundle;
mod clean;
mod clone;
mod ended;
mod error;
mod evidence;
mod fence;
mod file;
mod follow;
mod history;
mod leftovers;
mod load;
mod lsn;
mod measure;
mod moment;
mod observations;
mod plan;
mod pod_times;
mod progress;
pub mod prove;
mod quantity;
pub mod quiet;
mod readback;
mod recovery;
mod refusal;
mod repeated;
mod replay;
mod reproduce;
mod rights;
mod run;
mod safety;
#[cfg(test)]
mod samples;
mod schema;
mod server_log;
mod siblings;
mod source;
mod span;
mod tail;
mod target;
mod ticking;
mod turn;
mod verify;
mod way_in;

pub use crate::report::tell::{Tell, Webhook};
pub use clone::PlannedClone;
pub use error::RestoreError;
pub use file::{
    Assertion, Budgets, CloneSettings, Compare, Destination, Limits, Newest, Partly, Proofs, RestoreDrill,
    SourceName,
};
pub use leftovers::clean;
pub use load::{is_drill, load, named, placed, problems};
pub use plan::Plan;
pub use rights::{needed, removing, useful};
pub use run::{Doing, run, unreached};
pub use schema::json_schema;
pub use source::Source;
pub use span::Span;
pub use target::Target;

//! Restore drills: a cluster that exists is cloned from its real backup, the clone is held against what is wanted of it,
//! and removed.

mod file;
pub mod prove;
pub mod quiet;
mod span;

pub use file::{
    Assertion, Budgets, CloneSettings, Compare, Into, Limits, Newest, RestoreDrill, SourceName, Tell, Webhook,
};
pub use span::Span;

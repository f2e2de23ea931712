//! A cluster that exists, reached through its API server alone. Nothing in here knows which one it is.

mod apply;
mod connect;
mod error;
mod forward;
mod lease;
mod logs;
mod rights;

pub use apply::{ApplyError, apply, change, create, create_all};
pub use connect::{ClusterAccess, Wanted};
pub use error::ClusterError;
pub use forward::Forward;
pub use lease::{Has, Held, Holder, Lock, NOTE, Taken, Watch, queued_since};
pub use logs::{ContainerLines, Line, PodLogs, parse_line};
pub use rights::{Right, missing};

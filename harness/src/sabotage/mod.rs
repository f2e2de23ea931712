//! Sabotage for people (`clonedrill sabotage`): their own restore, with all faults in turn, and what would have been noticed of each.

mod base;
mod faults;
mod manifests;
mod told;

pub use base::{ARCHIVE, Base, GROUP, NoBase};
pub use faults::{Fault, Target, faults};
pub use manifests::{MADE, NoScenario, scenario};
pub use told::{has_nothing_for, restored, told, verdict};

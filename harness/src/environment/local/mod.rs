//! The local environment: the real control plane and one node, in namespaces of an ordinary user.

pub mod container;
mod control_plane;
pub mod daemon;
mod description;
mod dns;
pub mod images;
mod inside;
mod join;
mod network;
pub mod node;
mod part;
pub mod rules;
pub mod sandbox;
mod storage;
mod tie;

pub use description::DESCRIPTION;
pub use join::{LocalEnvironment, enter};
pub(super) use part::last_lines;

//! The local environment: the real control plane and one node, in namespaces of an ordinary user.

pub mod images;
pub mod node;

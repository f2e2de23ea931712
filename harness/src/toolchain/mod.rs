//! The real programs: which version, from where, where kept.

mod tools;

pub use tools::*;

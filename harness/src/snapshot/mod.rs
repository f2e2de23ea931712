//! Redaction, normalising, comparing, accepting.

pub mod hide;
pub mod leak;
mod patterns;
pub mod redact;
pub mod store;

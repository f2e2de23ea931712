//! The contract of Spilo.

pub mod pauses;
pub mod release;

pub use release::Release;

//! The scenario file: types, loading, validation, `${…}`, JSON Schema.

mod types;

pub use types::*;

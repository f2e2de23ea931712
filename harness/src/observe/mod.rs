//! What a drill saw: env, logs, data, storage.

pub mod data;

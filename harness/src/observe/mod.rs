//! What a drill saw: env, logs, data, storage.

pub mod catalogue;
pub mod data;
pub mod env;
pub mod logs;
pub mod storage;

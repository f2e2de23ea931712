//! The binary as people call it, where an environment is started, shared or joined for it.
//!
//! `kind` needs Docker and is run only with the nextest profile of that name (`ci/test-kind`).
#![allow(clippy::unwrap_used)]

mod failures;
mod findings;
#[path = "../foreign/mod.rs"]
mod foreign;
mod inventory;
mod keys;
mod kind;
mod lifecycle;
mod outside;
mod pauses;
#[path = "../process/mod.rs"]
mod process;
mod rendering;
mod up;

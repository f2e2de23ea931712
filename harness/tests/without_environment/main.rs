//! What needs the binary or the repository's files, and no environment of its own.
#![allow(clippy::unwrap_used)]

mod book;
mod ci;
mod command_line;
mod container;
mod docs;
mod images;
#[path = "../process/mod.rs"]
mod process;
mod scenario_errors;

//! Drills in a kind cluster: on real parts, what goes wrong, and that nothing is left. Only with the nextest profile `kind`
//! (`ci/test-kind`), since it needs Docker.
#![allow(clippy::unwrap_used)]

#[path = "../process/mod.rs"]
mod process;

mod docker;
mod failures;
mod kept;
mod killed;
mod parity;
mod real_parts;
mod run;

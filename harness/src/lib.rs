//! `clonedrill` proves that backups of Postgres clusters on Kubernetes can be cloned back.
//!
//! Data flows one way: [`scenario`] → [`environment`] → [`drill`] (steps) → [`observe`] →
//! [`snapshot`] (comparison) → [`report`]. See `ARCHITECTURE.md`.

#[cfg(test)]
mod architecture;
pub mod check;
pub mod cli;
pub mod diagnosis;
pub mod drill;
pub mod environment;
pub mod exit;
pub mod explain;
pub mod inventory;
pub mod manifests;
pub mod observe;
pub mod operator;
pub mod poll;
pub mod release;
pub mod render;
pub mod report;
pub mod restore;
pub mod sabotage;
pub mod scenario;
pub mod secret;
pub mod snapshot;
pub mod spilo;
pub mod storage;
pub mod tie;
pub mod toolchain;
pub mod yaml;

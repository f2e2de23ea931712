//! What is observed and proved of data, against a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod data;
mod prove;

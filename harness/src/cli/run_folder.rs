//! Where a run leaves its reports and evidence when nobody says where: a folder of its own under `target/clonedrill`.

use std::path::PathBuf;

/// A name that no other run has: its time and its process.
pub(super) fn new_id() -> String {
    format!("{}-{}", jiff::Zoned::now().strftime("%Y%m%d-%H%M%S"), std::process::id())
}

pub(super) fn of(id: &str) -> PathBuf {
    std::env::current_dir().unwrap_or_default().join("target/clonedrill").join(id)
}

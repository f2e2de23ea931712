//! Azurite from npm, by a committed lock file with the integrity of every package.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::cache::Manifest;
use super::super::command;
use super::super::error::MakeError;
use super::super::progress::PartProgress;
use super::Context;

/// The version that the committed lock file is of.
pub const VERSION: &str = "3.35.0";
pub(super) const LOCK: &str = include_str!("../../../toolchain/azurite/package-lock.json");
const PACKAGE: &str = include_str!("../../../toolchain/azurite/package.json");
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// The blob service's own program, inside the package.
pub(crate) const SCRIPT: &str = "dist/src/blob/main.js";

pub(super) fn make(
    context: &Context,
    into: &Path,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
        let path = into.join(name);
        fs::write(&path, text).map_err(MakeError::io("write", path))?;
    }
    let mut command = Command::new(&context.npm);
    command
        .current_dir(into)
        .args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"])
        .env("TMPDIR", into);
    if let Some(folder) = &context.build_caches {
        command.env("npm_config_cache", folder.join("npm"));
    }
    command::run(&mut command, LIMIT, progress)?;
    let script = into.join("node_modules/azurite").join(SCRIPT);
    if !script.is_file() {
        return Err(MakeError::Result(format!("npm left no {}", script.display())));
    }
    Ok(Manifest { from: "npm, by its lock file".to_owned(), ..Manifest::default() })
}

//! The binary: only dispatches.

use std::path::Path;
use std::process::ExitCode;

use clonedrill::environment::local::images::spilo;

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Inside a Spilo container this program stands in for the image's scripts.
    match spilo::multicall(name) {
        Some(entry) => entry(),
        None => clonedrill::cli::main(),
    }
}

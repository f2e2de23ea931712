//! The binary: only dispatches.

use std::process::ExitCode;

fn main() -> ExitCode {
    clonedrill::cli::main()
}

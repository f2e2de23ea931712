//! A program of the host, run to its end with a limit. Nothing secret is ever an argument of one.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::tie::tie;

/// What a program that has ended said.
#[derive(Debug)]
pub(super) struct Ended {
    pub succeeded: bool,
    pub stdout: String,
    /// Without terminal's colours and empty lines.
    pub errors: Vec<String>,
}

impl Ended {
    /// The last thing it complained about.
    pub(super) fn why(&self) -> String {
        self.errors.last().cloned().unwrap_or_else(|| "it said nothing".to_owned())
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.errors[self.errors.len().saturating_sub(15)..].to_vec()
    }
}

/// Runs a program; it is killed when this is dropped, when it has not ended within `limit`, and with the thread that
/// called this.
///
/// # Errors
/// When it cannot be started, or does not end.
pub(super) async fn run(
    program: impl AsRef<OsStr>,
    arguments: &[&str],
    input: &str,
    limit: Duration,
) -> Result<Ended, String> {
    run_in(&std::env::temp_dir(), program, arguments, input, limit).await
}

/// The same with a folder for what it writes meanwhile: of a program that was killed that is left.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_in(
    temporary: &Path,
    program: impl AsRef<OsStr>,
    arguments: &[&str],
    input: &str,
    limit: Duration,
) -> Result<Ended, String> {
    let name = program.as_ref().to_string_lossy().into_owned();
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // What is left of a process that was killed must not go on making what the next one removes.
    tie(&mut command);
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("run {name}: {error}"))?;
    let whole = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read is seen by its end.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = match tokio::time::timeout(limit, whole).await {
        Ok(output) => output.map_err(|error| format!("run {name}: {error}"))?,
        Err(_) => {
            let what = arguments.first().unwrap_or(&"");
            return Err(format!("{name} {what} has not ended within {} s", limit.as_secs()));
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    Ok(Ended {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: errors.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect(),
    })
}

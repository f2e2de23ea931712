//! Runs one program of a build: its output as lines, a limit, and its last lines when it fails.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::{prctl, signal::Signal};

use super::progress::PartProgress;

/// Enough to see what a compiler or package client complains about.
const KEPT_LINES: usize = 20;

/// A linker is silent for a minute; whoever watches should not think that all stands still.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("run {program}: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("run `{command}`: it ended with {status}; its last lines:\n  {}", .last.join("\n  "))]
    Failed { command: String, status: String, last: Vec<String> },
    #[error("run `{command}`: gave up after {after:.0?}, its last line: {last}")]
    TimedOut { command: String, after: Duration, last: String },
}

/// Runs `command`; each line that it prints on stdout or stderr goes to `progress`.
///
/// The program dies with this process, also where that is killed. The answer is its stdout.
///
/// # Errors
/// When it cannot be started, fails, or is not done within `limit`.
pub fn run(
    command: &mut Command,
    limit: Duration,
    progress: &dyn PartProgress,
) -> Result<String, CommandError> {
    let shown = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: prctl is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
    let mut child = command.spawn().map_err(|source| CommandError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;

    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), true, sender.clone());
    forward(child.stderr.take(), false, sender);
    let start = Instant::now();
    let mut stdout = String::new();
    let mut last: VecDeque<String> = VecDeque::new();
    loop {
        match lines.recv_timeout(TICK.min(limit.saturating_sub(start.elapsed()))) {
            Ok((from_stdout, line)) => {
                progress.says(&line);
                if from_stdout {
                    stdout.push_str(&line);
                    stdout.push('\n');
                }
                if last.len() == KEPT_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if start.elapsed() < limit => {
                progress.still(last.back().map_or("", String::as_str));
            }
            Err(RecvTimeoutError::Timeout) => {
                // It may have ended in between, and then wait tells.
                let _ = child.kill();
                let _ = child.wait();
                let last = last.pop_back().unwrap_or_else(|| "nothing".to_owned());
                return Err(CommandError::TimedOut { command: shown, after: limit, last });
            }
        }
    }
    let status = child.wait().map_err(|source| CommandError::Start { program: shown.clone(), source })?;
    if status.success() {
        return Ok(stdout);
    }
    Err(CommandError::Failed { command: shown, status: status.to_string(), last: last.into() })
}

fn forward(stream: Option<impl Read + Send + 'static>, stdout: bool, to: mpsc::Sender<(bool, String)>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if to.send((stdout, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::progress::Silent;
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_shows_the_last_lines_of_both_streams() {
        let failing = &mut sh("echo out; echo bad >&2; exit 4");
        let error = run(failing, Duration::from_secs(10), &Silent).unwrap_err().to_string();
        assert!(
            error.contains("exit status: 4") && error.contains("bad") && error.contains("out"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_its_last_line_told() {
        let error =
            run(&mut sh("echo waiting; exec sleep 60"), Duration::from_millis(300), &Silent).unwrap_err();
        assert!(matches!(&error, CommandError::TimedOut { last, .. } if last == "waiting"), "{error}");
    }
}

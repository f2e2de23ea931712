//! Runs one program of a build: its output as lines, a limit, and its last lines when it fails.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::progress::{PartProgress, Silent};
use crate::tie::tie;

/// Enough to see what a compiler or package client complains about.
const KEPT_LINES: usize = 20;

/// A linker is silent for a minute; whoever watches should not think that all stands still.
const TICK: Duration = Duration::from_secs(1);

/// How often it is looked whether it shall end.
const LOOK: Duration = Duration::from_millis(100);

/// A program that has closed its output is about to end.
const LAST_LOOK: Duration = Duration::from_millis(5);

/// For a question such as `--version`; a busy machine may be slow to start a program.
const QUESTION: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("run {program}: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("run `{command}`: it ended with {status}; its last lines:\n  {}", .last.join("\n  "))]
    Failed { command: String, status: String, last: Vec<String> },
    #[error("run `{command}`: gave up after {after:.0?}, its last line: {last}")]
    TimedOut { command: String, after: Duration, last: String },
    #[error("run `{command}`: interrupted")]
    Interrupted { command: String },
}

/// Runs `command`; each line that it prints on stdout or stderr goes to `progress`.
///
/// The program dies with this process, also where that is killed. It is a process group of its own: Ctrl-C in the
/// terminal is for this process, which ends the group with all that the program has started. The answer is its stdout.
///
/// # Errors
/// When it cannot be started, fails, is not done within `limit`, or nobody wants it any more.
pub(crate) fn run(
    command: &mut Command,
    limit: Duration,
    progress: &dyn PartProgress,
) -> Result<String, CommandError> {
    let shown = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    tie(command);
    let mut child = command.spawn().map_err(|source| CommandError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let start = Instant::now();
    let mut heard = Heard::of(&mut child);
    let status = loop {
        let ended = match heard.listen(&mut child, progress) {
            Ok(ended) => ended,
            Err(source) => {
                end(&mut child);
                return Err(CommandError::Start { program: shown, source });
            }
        };
        if let Some(status) = ended {
            break status;
        }
        if progress.stopped() {
            end(&mut child);
            return Err(CommandError::Interrupted { command: shown });
        }
        if start.elapsed() >= limit {
            end(&mut child);
            let last = heard.last.pop_back().unwrap_or_else(|| "nothing".to_owned());
            return Err(CommandError::TimedOut { command: shown, after: limit, last });
        }
    };
    if status.success() {
        return Ok(heard.stdout);
    }
    Err(CommandError::Failed { command: shown, status: status.to_string(), last: heard.last.into() })
}

/// What a program says to a question such as `--version`; nothing where it fails or does not answer.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    run(command, QUESTION, &Silent).ok().map(|said| said.trim().to_owned())
}

/// Kills the program and everything that it has started.
fn end(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // It may have ended in between, and then wait tells.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
}

enum Said {
    Line { stdout: bool, text: String },
    End,
}

/// What a program has said so far.
struct Heard {
    lines: mpsc::Receiver<Said>,
    /// Kept, so that the channel outlives the streams.
    _sender: mpsc::Sender<Said>,
    /// Streams that are not at their end.
    open: usize,
    told: Instant,
    stdout: String,
    last: VecDeque<String>,
}

impl Heard {
    fn of(child: &mut Child) -> Self {
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), true, sender.clone());
        forward(child.stderr.take(), false, sender.clone());
        let (stdout, last) = (String::new(), VecDeque::new());
        Heard { lines, _sender: sender, open: 2, told: Instant::now(), stdout, last }
    }

    /// Takes in the next line, or waits for a moment; the status of a program that has ended.
    fn listen(
        &mut self,
        child: &mut Child,
        progress: &dyn PartProgress,
    ) -> std::io::Result<Option<ExitStatus>> {
        if self.open == 0
            && let Some(status) = child.try_wait()?
        {
            return Ok(Some(status));
        }
        match self.lines.recv_timeout(if self.open == 0 { LAST_LOOK } else { LOOK }) {
            Ok(Said::End) => self.open -= 1,
            Ok(Said::Line { stdout, text }) => {
                progress.says(&text);
                if stdout {
                    self.stdout.push_str(&text);
                    self.stdout.push('\n');
                }
                if self.last.len() == KEPT_LINES {
                    self.last.pop_front();
                }
                self.last.push_back(text);
                self.told = Instant::now();
            }
            Err(_) if self.told.elapsed() >= TICK => {
                progress.still(self.last.back().map_or("", String::as_str));
                self.told = Instant::now();
            }
            Err(_) => {}
        }
        Ok(None)
    }
}

fn forward(stream: Option<impl Read + Send + 'static>, stdout: bool, to: mpsc::Sender<Said>) {
    std::thread::spawn(move || {
        if let Some(stream) = stream {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if to.send(Said::Line { stdout, text }).is_err() {
                    return;
                }
                line.clear();
            }
        }
        // Nobody may listen any more.
        let _ = to.send(Said::End);
    });
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Wants no more once the program has said something, which it keeps.
    #[derive(Default)]
    struct Impatient(Mutex<Option<String>>);

    impl PartProgress for Impatient {
        fn says(&self, what: &str) {
            self.0.lock().unwrap().get_or_insert_with(|| what.to_owned());
        }
        fn stopped(&self) -> bool {
            self.0.lock().unwrap().is_some()
        }
        fn waits(&self, _for_whom: &str) {}
        fn reached(&self, _position: u64, _of: u64) {}
        fn done(&self) {}
        fn failed(&self) {}
    }

    /// Reaped by init as soon as it is dead, which may take a moment.
    async fn gone(process: &str) {
        use crate::poll::{Limit, Seen, poll};
        let stat = format!("/proc/{process}/stat");
        let gone = poll("a grandchild to be gone", Limit::seconds(20), async || {
            let state = std::fs::read_to_string(&stat).unwrap_or_default();
            let dead = state.is_empty() || state.contains(") Z ");
            Ok::<_, std::convert::Infallible>(if dead { Seen::Done(()) } else { Seen::NotYet(state) })
        });
        gone.await.unwrap();
    }

    const WITH_A_GRANDCHILD: &str = "sleep 60 & echo $!; wait";

    #[test]
    fn a_failure_shows_the_last_lines_of_both_streams() {
        let failing = &mut sh("echo out; echo bad >&2; exit 4");
        let error = run(failing, Duration::from_secs(10), &Silent).unwrap_err().to_string();
        assert!(
            error.contains("exit status: 4") && error.contains("bad") && error.contains("out"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_that_it_started_and_its_last_line_told() {
        let error = run(&mut sh(WITH_A_GRANDCHILD), Duration::from_millis(300), &Silent).unwrap_err();
        let CommandError::TimedOut { last, .. } = &error else { panic!("{error}") };
        gone(last).await;
    }

    #[tokio::test]
    async fn what_nobody_wants_any_more_is_ended_with_all_that_it_started() {
        let impatient = Impatient::default();
        let error = run(&mut sh(WITH_A_GRANDCHILD), Duration::from_secs(60), &impatient).unwrap_err();
        assert!(matches!(error, CommandError::Interrupted { .. }), "{error}");
        let grandchild = impatient.0.lock().unwrap().clone().unwrap();
        gone(&grandchild).await;
    }

    #[test]
    fn a_program_that_never_stops_talking_has_a_limit_too() {
        let error = run(&mut sh("while :; do echo again; done"), Duration::from_millis(200), &Silent);
        assert!(matches!(error, Err(CommandError::TimedOut { .. })));
    }

    #[test]
    fn a_program_that_has_closed_its_output_has_a_limit_too() {
        let error = run(&mut sh("exec >&- 2>&-; exec sleep 60"), Duration::from_millis(200), &Silent);
        assert!(matches!(error, Err(CommandError::TimedOut { .. })));
    }
}

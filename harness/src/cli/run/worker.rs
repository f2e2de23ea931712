//! The process of one drill, seen from the run that started it.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::drill::Job;
use crate::report::{DrillReport, Event, Finding};

/// A worker has its own limits for everything; this is for one that was told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const STDERR_LINES: usize = 20;

/// Runs one drill in a process of its own, hands its events on and gives its report.
///
/// # Errors
/// What to report of a worker that ended without one.
pub(super) async fn run(
    job: &Job,
    stop: &CancellationToken,
    told: impl Fn(&Event),
) -> Result<DrillReport, Finding> {
    let mut child =
        spawn(job).await.map_err(|error| finding(&format!("it did not start: {error}"), Vec::new()))?;
    let mut stderr = child.stderr.take();
    let errors = async {
        let mut last = VecDeque::new();
        if let Some(stderr) = stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                last.push_back(line);
                if last.len() > STDERR_LINES {
                    last.pop_front();
                }
            }
        }
        last
    };
    let pid = child.id();
    let watched = async {
        let stopped = async {
            stop.cancelled().await;
            if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
                // One that has just ended needs no signal.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        };
        let report = {
            let mut listening = std::pin::pin!(events(&mut child, &told));
            tokio::select! {
                report = &mut listening => report,
                () = stopped => tokio::time::timeout(STOP_LIMIT, listening).await.unwrap_or_default(),
            }
        };
        if report.is_none() {
            // It is beyond telling, or told nothing.
            let _ = child.start_kill();
        }
        (report, child.wait().await)
    };
    let ((report, status), errors) = tokio::join!(watched, errors);
    report.map(|report| *report).ok_or_else(|| {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        finding(&format!("its process ended without a report ({status})"), errors.into_iter().collect())
    })
}

async fn spawn(job: &Job) -> io::Result<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("drill-worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the terminal is for the run, which tells its drills in its own way.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let job = serde_json::to_vec(job)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&job).await?;
    }
    Ok(child)
}

/// Reads events until the last one, or until the worker's end.
async fn events(child: &mut Child, told: &impl Fn(&Event)) -> Option<Box<DrillReport>> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<Event>(&line) {
            Ok(event) => {
                told(&event);
                if let Event::Finished { report } = event {
                    return Some(report);
                }
            }
            Err(error) => tracing::warn!(%error, "a drill said something else than an event"),
        }
    }
    None
}

fn finding(seen: &str, evidence: Vec<String>) -> Finding {
    Finding::new("drill", "a report", seen.to_owned()).with_evidence(evidence)
}

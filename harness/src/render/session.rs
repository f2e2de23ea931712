//! Rendering from outside of an environment: one is obtained, and a process inside of it does the work.

use std::collections::VecDeque;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::engine::Told;
use super::error::RenderError;
use super::types::{RenderInput, Rendering};
use super::upgrade::Upgrade;
use crate::environment::shared::{self, Share};
use crate::toolchain::Tools;

/// The subcommand of the process inside.
pub const WORKER: &str = "render-worker";
const STDERR_LINES: usize = 20;

/// What the process inside an environment is told on stdin.
#[derive(Debug, Serialize, Deserialize)]
pub struct RenderJob {
    /// The name of the environment to join.
    pub environment: String,
    /// The programs of the run.
    pub tools: Tools,
    /// What is to be done.
    pub task: Task,
    /// People's objects, verbatim.
    pub input: RenderInput,
}

/// What the process inside an environment does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Renders with one operator.
    Render {
        /// Its version.
        operator: String,
    },
    /// Renders with both, and lets the second take over.
    Upgrade {
        /// The older version, which makes the clusters.
        from: String,
        /// The newer version, which takes them over.
        to: String,
    },
    /// Only let the operator write its StatefulSets, for a measurement.
    Write {
        /// Its version.
        operator: String,
    },
}

impl Task {
    /// Environments are shared by those who use the same operators.
    fn environment(&self) -> String {
        match self {
            Task::Render { operator } | Task::Write { operator } => format!("render-{operator}"),
            Task::Upgrade { from, to } => format!("upgrade-{from}-{to}"),
        }
    }
}

/// What it says, one a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RenderEvent {
    /// Something is being done; nothing has ended.
    Progress {
        /// For people, in a few words.
        text: String,
    },
    /// The end of [`Task::Render`].
    Rendered {
        /// What came of it.
        rendering: Box<Rendering>,
    },
    /// The end of [`Task::Upgrade`].
    Upgraded {
        /// What came of it.
        upgrade: Box<Upgrade>,
    },
    /// The end of [`Task::Write`].
    Written {
        /// How many there are.
        stateful_sets: usize,
    },
    /// The end, without a result.
    Failed {
        /// Fits after "failed to".
        why: String,
    },
}

/// Renders `input` with one operator version. Brings up a control plane of its own, or takes part in that of `share`.
///
/// # Errors
/// When a part of the environment does not do its work; never for what the input holds.
pub async fn render(
    tools: &Tools,
    operator: &str,
    input: &RenderInput,
    share: Option<&Share>,
    told: Told<'_>,
) -> Result<Rendering, RenderError> {
    let task = Task::Render { operator: operator.to_owned() };
    match in_environment(tools, task, input, share, told).await? {
        RenderEvent::Rendered { rendering } => Ok(*rendering),
        _ => Err(unexpected()),
    }
}

/// Renders `input` with two operator versions and lets the second take over what the first made.
///
/// # Errors
/// As [`render`].
pub async fn upgrade(
    tools: &Tools,
    (from, to): (&str, &str),
    input: &RenderInput,
    share: Option<&Share>,
    told: Told<'_>,
) -> Result<Upgrade, RenderError> {
    let task = Task::Upgrade { from: from.to_owned(), to: to.to_owned() };
    match in_environment(tools, task, input, share, told).await? {
        RenderEvent::Upgraded { upgrade } => Ok(*upgrade),
        _ => Err(unexpected()),
    }
}

/// Lets the operator alone write the StatefulSets of an input, on a control plane of its own; how many there are.
///
/// # Errors
/// As [`render`].
pub async fn operator_alone(
    tools: &Tools,
    operator: &str,
    input: &RenderInput,
    told: Told<'_>,
) -> Result<usize, RenderError> {
    let task = Task::Write { operator: operator.to_owned() };
    match in_environment(tools, task, input, None, told).await? {
        RenderEvent::Written { stateful_sets } => Ok(stateful_sets),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> RenderError {
    RenderError::Worker { why: "it answered something else".to_owned(), said: Vec::new() }
}

async fn in_environment(
    tools: &Tools,
    task: Task,
    input: &RenderInput,
    share: Option<&Share>,
    told: Told<'_>,
) -> Result<RenderEvent, RenderError> {
    let own = std::process::id();
    let alone = Share { id: format!("render-{own}"), owner: Some(own) };
    let environment = shared::name(share.unwrap_or(&alone), &task.environment());
    let owner = share.unwrap_or(&alone).owner;
    let log = shared::UnnamedLog::new().map_err(RenderError::Log)?;
    let starting = |doing: &str| told(&format!("starting {doing}"));
    let obtained = shared::obtain(tools, &environment, owner, log.path(), &starting).await?;
    let job =
        RenderJob { environment: environment.clone(), tools: tools.clone(), task, input: input.clone() };
    let result = worker(&job, told).await;
    drop(obtained);
    if share.is_none() {
        shared::end(&environment).await?;
    }
    match result? {
        RenderEvent::Failed { why } => Err(RenderError::Inside(why)),
        event => Ok(event),
    }
}

async fn worker(job: &RenderJob, told: Told<'_>) -> Result<RenderEvent, RenderError> {
    let failed = |why: &dyn std::fmt::Display| RenderError::Worker { why: why.to_string(), said: Vec::new() };
    let mut child = spawn().map_err(|error| failed(&error))?;
    let job = serde_json::to_vec(job).map_err(|error| failed(&error))?;
    let input = child.stdin.take();
    let errors = child.stderr.take();
    let feed = async {
        if let Some(mut input) = input {
            // One that has ended says why on stderr.
            let _ = input.write_all(&job).await;
        }
    };
    let said = async {
        let mut last = VecDeque::new();
        if let Some(errors) = errors {
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                last.push_back(line);
                if last.len() > STDERR_LINES {
                    last.pop_front();
                }
            }
        }
        last
    };
    let result = async {
        let event = events(&mut child, told).await;
        if event.is_none() {
            let _ = child.start_kill();
        }
        (event, child.wait().await)
    };
    let ((), said, (event, status)) = tokio::join!(feed, said, result);
    event.ok_or_else(|| RenderError::Worker {
        why: status.map_or_else(|error| error.to_string(), |status| format!("it ended ({status})")),
        said: said.into(),
    })
}

fn spawn() -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Reads events until the one that is the result, or until the process' end.
async fn events(child: &mut Child, told: Told<'_>) -> Option<RenderEvent> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<RenderEvent>(&line) {
            Ok(RenderEvent::Progress { text }) => told(&text),
            Ok(event) => return Some(event),
            Err(error) => tracing::warn!(%error, "the process inside said something else than an event"),
        }
    }
    None
}

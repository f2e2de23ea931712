//! Starting container processes, and hearing from them whether they could be set up.

use std::io::PipeWriter;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::super::container::{CANNOT_RUN, ContainerSpec, ExecSpec, KILL, Report, Request};
use crate::environment::ExecOutput;
use crate::poll::within;

/// Why a container's program does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process could not be started, or the node is stopping.
    #[error("start the container's process: {0}")]
    Spawn(std::io::Error),
    /// It ended, or broke off, before it said what became of the container.
    #[error("talk to the container's process: {0}")]
    Pipe(std::io::Error),
    /// The container process says which step the kernel refused.
    #[error("{0}")]
    Setup(String),
    /// It was not set up in time.
    #[error("{0}")]
    TimedOut(#[from] crate::poll::TimedOut),
}

/// Set up within milliseconds; this is for a kernel that hangs, and for a very busy machine.
const SET_UP: Duration = Duration::from_secs(60);

type Job = (Command, oneshot::Sender<std::io::Result<Child>>);

/// Starts processes from one thread that lives as long as the node: container processes die with the
/// thread that started them (PDEATHSIG is tied to the thread), and the runtime's threads come and go.
#[derive(Debug, Clone)]
pub(super) struct Spawner {
    own_program: PathBuf,
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    pub(super) fn new(own_program: PathBuf) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let _runtime = runtime.enter();
            for (mut command, answer) in queue {
                // A child that nobody waits for any more is killed by `kill_on_drop`.
                let _ = answer.send(command.spawn());
            }
        });
        Spawner { own_program, jobs }
    }

    /// Starts the hidden process with its request on stdin.
    async fn spawn(&self, request: &Request, stdout: Stdio, stderr: Stdio) -> Result<Child, StartError> {
        let text = serde_json::to_vec(request).map_err(|error| StartError::Pipe(error.into()))?;
        let mut command = Command::new(&self.own_program);
        command
            .arg("container")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            // Of what runs in a container the supervisor knows more than its own process.
            .kill_on_drop(matches!(request, Request::Start(_)));
        let (answer, spawned) = oneshot::channel();
        let gone = || StartError::Spawn(std::io::Error::other("the node is stopping"));
        self.jobs.send((command, answer)).map_err(|_| gone())?;
        let mut child = spawned.await.map_err(|_| gone())?.map_err(StartError::Spawn)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&text).await.map_err(StartError::Pipe)?;
        }
        Ok(child)
    }

    /// Comes back when the container's program runs, which prints to `log`. Dropping this kills what was started.
    pub(super) async fn start(&self, spec: ContainerSpec, log: PipeWriter) -> Result<Running, StartError> {
        within("the container to be set up", SET_UP, self.set_up(spec, log)).await?
    }

    async fn set_up(&self, spec: ContainerSpec, log: PipeWriter) -> Result<Running, StartError> {
        let mut child = self.spawn(&Request::Start(Box::new(spec)), Stdio::piped(), log.into()).await?;
        let mut init = None;
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(StartError::Pipe)? {
                match serde_json::from_str(&line).map_err(|error| StartError::Pipe(error.into()))? {
                    Report::Init(pid) => init = Some(pid),
                    Report::Failed(why) => return Err(StartError::Setup(why)),
                }
            }
        }
        match init {
            Some(init) => Ok(Running { child, init }),
            None => Err(StartError::Setup("the container's process ended while it was set up".to_owned())),
        }
    }

    /// Runs a program in a container to its end. Dropping this kills the program.
    pub(super) async fn exec(&self, spec: ExecSpec) -> Result<ExecOutput, StartError> {
        let child = self.spawn(&Request::Exec(spec), Stdio::piped(), Stdio::piped()).await?;
        let id = child.id();
        let mut ending = pin!(child.wait_with_output());
        // Dropped before the child is, so that the number is still the child's.
        let supervised = KillOnDrop(id);
        let output = ending.as_mut().await.map_err(StartError::Pipe)?;
        supervised.disarm();
        Ok(ExecOutput {
            code: output.status.code().unwrap_or(CANNOT_RUN),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// Asks a supervisor to kill what it supervises: killed itself, it would leave behind what its program has started.
struct KillOnDrop(Option<u32>);

impl KillOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            let _ = kill(Pid::from_raw(id as i32), KILL);
        }
    }
}

/// A container whose program runs. Dropping it kills the container.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// The container's process 1, as the node sees it.
    pub(super) init: i32,
}

impl Running {
    /// The exit code, or 128 + the signal's number.
    pub(super) async fn wait(&mut self) -> i32 {
        match self.child.wait().await {
            Ok(status) => status.code().unwrap_or(128 + Signal::SIGKILL as i32),
            Err(_) => CANNOT_RUN,
        }
    }

    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::SIGTERM);
    }

    pub(super) fn kill(&self) {
        self.signal(KILL);
    }

    fn signal(&self, signal: Signal) {
        // The id is ours until the child has been waited for; afterwards there is none.
        if let Some(id) = self.child.id() {
            let _ = kill(Pid::from_raw(id as i32), signal);
        }
    }
}

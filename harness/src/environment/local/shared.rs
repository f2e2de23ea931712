//! Environments that several processes share: the first who needs one starts it, the others join.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::daemon::protocol::{self, Request, Response};
use super::part::last_lines;
use crate::environment::EnvironmentError;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::toolchain::Tools;

/// The control plane has its own, shorter limit.
const READY: Limit = Limit::seconds(120);

/// Who shares an environment, and whose end is its end.
#[derive(Debug, Clone)]
pub struct Share {
    /// The same for all who share, for example the id of a nextest run.
    pub id: String,
    /// The process that the environment ends with; without one it ends when it is told to.
    pub owner: Option<u32>,
}

/// The environment's name: processes with one share, one operator and one set of programs share it.
pub fn name(share: &Share, operator: &str) -> String {
    format!("{}/{operator}", share.id)
}

/// An environment that was ready when it was obtained, and is listened to until this is dropped.
pub struct Obtained {
    failed: watch::Receiver<Option<String>>,
    _listening: AbortOnDropHandle<()>,
}

impl Obtained {
    fn listen(mut stream: BufReader<UnixStream>) -> Self {
        let (tell, failed) = watch::channel(None);
        let listening = tokio::spawn(async move {
            let why = match protocol::read(&mut stream).await {
                Ok(Some(Response::Failed { why })) => why,
                _ => "run the local environment: it has gone without a word".to_owned(),
            };
            tell.send_replace(Some(why));
        });
        Obtained { failed, _listening: AbortOnDropHandle::new(listening) }
    }

    /// Waits until the environment fails, and says why. Fits after "failed to".
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        let why = failed.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "run the local environment: nobody listens to it any more".to_owned())
    }

    /// Why the environment failed; nothing where it has not within `limit`. Fits after "failed to".
    pub async fn failed_within(&self, limit: Duration) -> Option<String> {
        let mut failed = self.failed.clone();
        let known = tokio::time::timeout(limit, failed.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }
}

/// Makes sure that the environment runs and is ready, and starts it where it does not. `log` gets what the
/// environment's process prints; `told` hears what is being waited for.
///
/// # Errors
/// The part that did not come up, with its last lines.
pub async fn obtain(
    tools: &Tools,
    name: &str,
    owner: Option<u32>,
    log: &Path,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Obtained, EnvironmentError> {
    let mut started: Option<Child> = None;
    let stream = poll(format!("the environment {name}"), Limit::seconds(30), async || {
        if let Ok(stream) = connect(name) {
            return Ok(Seen::Done(stream));
        }
        match &mut started {
            None => started = Some(start(tools, name, owner, log)?),
            // Another's environment may have been first; then ours has left with 0, and connecting works soon.
            Some(child) => match child.try_wait() {
                Ok(Some(status)) if !status.success() => return Err(ended(log, &status.to_string())),
                Ok(Some(_)) => started = None,
                _ => {}
            },
        }
        Ok(Seen::NotYet("nobody listens".to_owned()))
    });
    let stream = stream.await.map_err(flatten)?;
    let ready = tokio::time::timeout(READY.total, until_ready(stream, log, told)).await;
    match (ready, &mut started) {
        (Ok(Err(EnvironmentError::Connection(_))), Some(child)) => Err(last_words(child, log).await),
        (Ok(ready), _) => ready,
        (Err(_), _) => Err(ended(log, "it was not ready in time")),
    }
}

/// What an environment of ours wrote that failed faster than it could answer.
async fn last_words(child: &mut Child, log: &Path) -> EnvironmentError {
    let status = poll("the end of the environment's process", Limit::seconds(20), async || {
        Ok::<_, io::Error>(match child.try_wait()? {
            Some(status) => Seen::Done(status.to_string()),
            None => Seen::NotYet("it runs and does not answer".to_owned()),
        })
    });
    ended(log, &status.await.unwrap_or_else(|error| error.to_string()))
}

/// A connection to the outer socket, before any namespace is entered.
pub(super) fn connect(name: &str) -> Result<StdStream, EnvironmentError> {
    StdStream::connect_addr(&protocol::outer(name)?)
        .map_err(|error| EnvironmentError::Connection(format!("connect to {name}: {error}")))
}

/// The environment's outermost process, as this process sees its number: whoever kills it ends all of it.
///
/// # Errors
/// When none runs.
pub fn outermost(name: &str) -> Result<i32, EnvironmentError> {
    let peer = getsockopt(&connect(name)?, PeerCredentials)
        .map_err(|errno| EnvironmentError::Connection(format!("ask who listens: {errno}")))?;
    Ok(peer.pid())
}

/// Tells the environment to outlive its owner.
///
/// # Errors
/// When none runs.
pub async fn keep(name: &str) -> Result<(), EnvironmentError> {
    let mut stream = BufReader::new(into_tokio(connect(name)?)?);
    protocol::write(&mut stream, &Request::Keep).await?;
    match protocol::read(&mut stream).await? {
        Some(Response::Done) => Ok(()),
        _ => Err(EnvironmentError::Connection(format!("keep {name}: it has not answered"))),
    }
}

/// Tells the environment to end, and waits until it has.
///
/// # Errors
/// When none runs, or it does not end.
pub async fn end(name: &str) -> Result<(), EnvironmentError> {
    let mut stream = into_tokio(connect(name)?)?;
    protocol::write(&mut stream, &Request::Down).await?;
    poll(format!("the end of {name}"), Limit::seconds(20), async || {
        Ok(match connect(name) {
            Ok(_) => Seen::NotYet("it still listens".to_owned()),
            Err(_) => Seen::Done(()),
        })
    })
    .await
    .map_err(flatten)
}

async fn until_ready(
    stream: StdStream,
    log: &Path,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Obtained, EnvironmentError> {
    let mut stream = BufReader::new(into_tokio(stream)?);
    protocol::write(&mut stream, &Request::AwaitReady).await?;
    loop {
        match protocol::read(&mut stream).await? {
            Some(Response::Starting { doing }) => told(&doing),
            Some(Response::Ready) => return Ok(Obtained::listen(stream)),
            Some(Response::Failed { why }) => return Err(EnvironmentError::Failed(why)),
            Some(_) => return Err(EnvironmentError::Connection("it answered something else".to_owned())),
            None => return Err(ended(log, "it has gone")),
        }
    }
}

fn start(tools: &Tools, name: &str, owner: Option<u32>, log: &Path) -> Result<Child, EnvironmentError> {
    let failed = |source: io::Error| EnvironmentError::Sandbox {
        what: "start the environment's process".to_owned(),
        source,
    };
    let output = File::create(log).map_err(failed)?;
    let mut command = Command::new(own_program().map_err(failed)?);
    command.args(["environment", "--name", name]);
    if let Some(owner) = owner {
        command.args(["--owner", &owner.to_string()]);
    }
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output);
    let mut child = command.spawn().map_err(failed)?;
    let tools = serde_json::to_vec(tools).map_err(|error| failed(error.into()))?;
    if let Some(mut input) = child.stdin.take() {
        // One that was second has left without reading: that is no error.
        let _ = input.write_all(&tools);
    }
    Ok(child)
}

fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

fn into_tokio(stream: StdStream) -> Result<UnixStream, EnvironmentError> {
    let made = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    made.map_err(|error| EnvironmentError::Connection(error.to_string()))
}

fn ended(log: &Path, why: &str) -> EnvironmentError {
    EnvironmentError::Part {
        part: "the local environment".to_owned(),
        why: why.to_owned(),
        log: last_lines(log, 15),
    }
}

fn flatten(error: PollError<EnvironmentError>) -> EnvironmentError {
    match error {
        PollError::TimedOut(late) => late.into(),
        PollError::Failed(error) => error,
    }
}

//! Environments that several processes share: the first who needs one starts it, the others join.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::local::last_lines;
use super::protocol::{self, Request, Response};
use crate::environment::{Description, EnvironmentError, Which};
use crate::poll::{Limit, Patience, Seen, TimedOut, poll, within};
use crate::secret::Secret;
use crate::toolchain::Tools;

/// What is asked answers, and what is killed ends, within a fraction of a second; this is for a machine that is very busy.
const GONE: Limit = Limit::seconds(10);

/// Who shares an environment, and whose end is its end.
#[derive(Debug, Clone)]
pub struct Share {
    /// The same for all who share, for example the id of a nextest run.
    pub id: String,
    /// The process that the environment ends with; without one it ends when it is told to.
    pub owner: Option<u32>,
}

/// What an environment prints while somebody waits for it: a file without a name, which the kernel frees with this
/// process, however that ends.
pub struct UnnamedLog {
    path: PathBuf,
    _file: File,
}

impl UnnamedLog {
    /// # Errors
    /// When the folder for temporary files takes none.
    pub fn new() -> io::Result<UnnamedLog> {
        let file = tempfile::tempfile()?;
        Ok(UnnamedLog { path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())), _file: file })
    }

    /// Its path for this process alone.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The local environment's name: processes with one share, one operator and one set of programs share it.
pub fn name(share: &Share, operator: &str) -> String {
    Which::Local.description().name_of(share, operator)
}

/// An environment that was ready when it was obtained, and is listened to until this is dropped.
pub struct Obtained {
    failed: watch::Receiver<Option<String>>,
    _listening: AbortOnDropHandle<()>,
}

impl Obtained {
    fn listen(mut stream: BufReader<UnixStream>, log: PathBuf) -> Self {
        let (tell, failed) = watch::channel(None);
        let listening = tokio::spawn(async move {
            let why = match protocol::read(&mut stream).await {
                Ok(Some(Response::Failed { why })) => why,
                _ => ended(&log, "it has gone without a word").to_string(),
            };
            tell.send_replace(Some(why));
        });
        Obtained { failed, _listening: AbortOnDropHandle::new(listening) }
    }

    /// Waits until the environment fails, and says why. Fits after "failed to".
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        let why = failed.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "run the environment: nobody listens to it any more".to_owned())
    }

    /// Why the environment failed; nothing where it has not within `limit`. Fits after "failed to".
    pub async fn failed_within(&self, limit: Duration) -> Option<String> {
        let mut failed = self.failed.clone();
        let known = tokio::time::timeout(limit, failed.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }
}

/// Makes sure that the local environment runs and is ready, and starts it where it does not. `log` gets what its
/// process prints; `told` hears what is being waited for. One that is not ready in time is ended; one
/// without an owner also when this process ends while it waits.
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
    let order = order_of(tools)?;
    let described = Which::Local.description();
    obtain_as(&Wanted { described, name, owner, publish: None, order: &order }, log, told).await
}

/// What a local environment is made of, as its process is told.
///
/// # Errors
/// Never for the programs that the toolchain gives.
pub fn order_of(tools: &Tools) -> Result<Vec<u8>, EnvironmentError> {
    serde_json::to_vec(tools)
        .map_err(|error| EnvironmentError::Connection(format!("tell the programs: {error}")))
}

/// An environment that is wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Which kind of environment, and how its process is started.
    pub described: &'static Description,
    /// Who gives the same name shares it.
    pub name: &'a str,
    /// The process that it ends with; none for one that ends when it is told to.
    pub owner: Option<u32>,
    /// Clients outside the sandbox may come, for [`kubeconfig`]; this is the namespace that theirs mean.
    pub publish: Option<&'a str>,
    /// What it is made of: [`Description::order`].
    pub order: &'a [u8],
}

/// As [`obtain`]. One that runs already is taken as it is.
///
/// # Errors
/// As [`obtain`].
pub async fn obtain_as(
    wanted: &Wanted<'_>,
    log: &Path,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Obtained, EnvironmentError> {
    let Wanted { name, owner, .. } = *wanted;
    let mut started: Option<Child> = None;
    let stream = poll(format!("the environment {name}"), Limit::seconds(30), async || {
        if let Ok(stream) = connect(name) {
            return Ok(Seen::Done(stream));
        }
        match &mut started {
            None => started = Some(start(wanted, log)?),
            // Another's environment may have been first; then ours has left with 0, and connecting works soon.
            Some(child) => match child.try_wait() {
                Ok(Some(status)) if !status.success() => return Err(ended(log, &status.to_string())),
                Ok(Some(_)) => started = None,
                _ => {}
            },
        }
        Ok(Seen::NotYet("nobody listens".to_owned()))
    });
    let stream = stream.await?;
    let last = Mutex::new("its process".to_owned());
    let heard = |doing: &str| {
        doing.clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
        told(doing);
    };
    let limit = wanted.described.ready;
    let ready = within(format!("the environment {name}"), limit, until_ready(stream, log, &heard)).await;
    match (ready, &mut started) {
        (Ok(Ok(obtained)), _) => {
            if owner.is_none() {
                keep(name).await?;
            }
            Ok(obtained)
        }
        (Ok(Err(EnvironmentError::Connection(_))), Some(child)) => Err(last_words(child, log).await),
        (Ok(Err(error)), _) => Err(error),
        (Err(late), _) => {
            let doing = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let why = TimedOut { last: format!("starting {doing}"), ..late }.to_string();
            let why = match kill(name).await {
                Ok(()) => why,
                Err(error) => format!("{why}; then failed to {error}"),
            };
            Err(ended(log, &why))
        }
    }
}

/// What an environment of ours wrote that failed faster than it could answer.
async fn last_words(child: &mut Child, log: &Path) -> EnvironmentError {
    let status = poll("the end of the environment's process", GONE, async || {
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

/// The names of this user's environments that run, in the order of the alphabet.
pub fn running() -> Vec<String> {
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let prefix = format!("@{}", protocol::outer_prefix());
    let names = sockets.lines().filter_map(|line| Some(line.split_once(&prefix)?.1.to_owned()));
    // A connection has the name of the socket that took it.
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Tells the environment to outlive its owner.
///
/// # Errors
/// When none runs, or it does not answer.
pub async fn keep(name: &str) -> Result<(), EnvironmentError> {
    match ask(name, &format!("{name} to be kept"), &Request::Keep).await? {
        Some(Response::Done) => Ok(()),
        _ => Err(EnvironmentError::Connection(format!("keep {name}: it has not answered"))),
    }
}

/// The kubeconfig with full rights for clients outside the sandbox. It stands in no file, so that nothing outlives the
/// environment, and is told only to the user whose environment it is.
///
/// # Errors
/// When none runs, it is not ready yet, or it was not started to be reached from outside.
pub async fn kubeconfig(name: &str) -> Result<Secret, EnvironmentError> {
    match ask(name, &format!("the kubeconfig of {name}"), &Request::Kubeconfig).await? {
        Some(Response::Kubeconfig { kubeconfig }) => Ok(kubeconfig),
        Some(Response::Failed { why }) => {
            Err(EnvironmentError::Connection(format!("give the kubeconfig of {name}: {why}")))
        }
        _ => Err(EnvironmentError::Connection(format!("give the kubeconfig of {name}: it has not answered"))),
    }
}

async fn ask(name: &str, what: &str, request: &Request) -> Result<Option<Response>, EnvironmentError> {
    Ok(within(what, GONE.total, talk(name, request)).await??.1)
}

/// Asks once. What is asked for goes on as long as the connection is open.
pub(super) async fn talk(
    name: &str,
    request: &Request,
) -> Result<(BufReader<UnixStream>, Option<Response>), EnvironmentError> {
    let mut stream = BufReader::new(into_tokio(connect(name)?)?);
    protocol::write(&mut stream, request).await?;
    let response = protocol::read(&mut stream).await?;
    Ok((stream, response))
}

/// Tells the environment to end, and waits until it has. One that does not is killed.
///
/// # Errors
/// When none runs, or it does not end.
pub async fn end(name: &str) -> Result<(), EnvironmentError> {
    connect(name)?;
    // One that has gone before it could answer is what is wanted.
    let told = within("the environment to listen", GONE.total, talk(name, &Request::Down)).await;
    let limit = match told {
        Ok(Ok((_, Some(Response::Ending { seconds })))) => Limit::seconds(seconds),
        Ok(_) => GONE,
        // It hangs.
        Err(_) => return kill(name).await,
    };
    if gone(name, limit).await.is_ok() { Ok(()) } else { kill(name).await }
}

/// Ends the environment without its help.
async fn kill(name: &str) -> Result<(), EnvironmentError> {
    // One that has just ended is what is wanted.
    let Ok(outermost) = outermost(name) else { return Ok(()) };
    let number = rustix::process::Pid::from_raw(outermost);
    let killed = number.map(|number| rustix::process::kill_process(number, rustix::process::Signal::KILL));
    match killed {
        Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => {
            gone(name, GONE).await.map_err(EnvironmentError::TimedOut)
        }
        Some(Err(errno)) => {
            Err(EnvironmentError::Sandbox { what: format!("kill process {outermost}"), source: errno.into() })
        }
        None => Err(EnvironmentError::Connection(format!("find the outermost process of {name}"))),
    }
}

async fn gone(name: &str, limit: Limit) -> Result<(), TimedOut> {
    let mut patience = Patience::new(format!("the end of {name}"), limit);
    while connect(name).is_ok() {
        patience.pause("it still listens".to_owned()).await?;
    }
    Ok(())
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
            Some(Response::Ready) => return Ok(Obtained::listen(stream, log.to_owned())),
            Some(Response::Failed { why }) => return Err(EnvironmentError::Failed(why)),
            Some(_) => return Err(EnvironmentError::Connection("it answered something else".to_owned())),
            None => return Err(ended(log, "it has gone")),
        }
    }
}

fn start(wanted: &Wanted<'_>, log: &Path) -> Result<Child, EnvironmentError> {
    let failed = |source: io::Error| EnvironmentError::Sandbox {
        what: "start the environment's process".to_owned(),
        source,
    };
    let output = File::create(log).map_err(failed)?;
    let mut command = Command::new(own_program().map_err(failed)?);
    command.arg(wanted.described.process);
    command.args(["--name", wanted.name]);
    // Until there is something to keep, it ends with who wanted it.
    command.args(["--owner", &wanted.owner.unwrap_or(std::process::id()).to_string()]);
    if let Some(namespace) = wanted.publish {
        command.args(["--publish", namespace]);
    }
    if !wanted.described.keeps_variables {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    }
    command.stdin(Stdio::piped()).stdout(output.try_clone().map_err(failed)?).stderr(output);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // One that was second has left without reading: that is no error.
        let _ = input.write_all(wanted.order);
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
        part: "the environment's process".to_owned(),
        why: why.to_owned(),
        log: last_lines(log, 15),
    }
}

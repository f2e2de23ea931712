//! Joining an environment: its namespaces first, while the process has one thread; then a place in it.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::control_plane;
use super::daemon::protocol::{self, INNER, Place, Request, Response};
use super::sandbox::NAMESPACES;
use super::shared;
use crate::environment::{ContainerLog, Environment, EnvironmentError, ExecOutput};
use crate::storage::Authority;

/// Enters the namespaces of the environment `name`. Children of this process are then in its PID namespace too.
/// The working directory is kept.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// When there is no such environment, or the kernel refuses.
pub fn enter(name: &str) -> Result<(), EnvironmentError> {
    let failed = |what: String| move |source: std::io::Error| EnvironmentError::Sandbox { what, source };
    let folder = std::env::current_dir().map_err(failed("find the working directory".to_owned()))?;
    let connection = shared::connect(name)?;
    let outermost = getsockopt(&connection, PeerCredentials)
        .map_err(|errno| failed("ask who listens".to_owned())(errno.into()))?
        .pid();
    // All are opened before the first is entered: `/proc` is another one afterwards.
    let opened: Result<Vec<(&str, File)>, _> = NAMESPACES
        .iter()
        .map(|kind| File::open(format!("/proc/{outermost}/ns/{kind}")).map(|file| (*kind, file)))
        .collect();
    for (kind, file) in opened.map_err(failed("open the environment's namespaces".to_owned()))? {
        setns(file.as_fd(), CloneFlags::empty())
            .map_err(|errno| failed(format!("enter the environment's {kind} namespace"))(errno.into()))?;
    }
    std::env::set_current_dir(folder).map_err(failed("go back to the working directory".to_owned()))
}

/// A drill's place in a local environment. Its namespace is removed when this is dropped.
pub struct LocalEnvironment {
    place: Place,
    client: kube::Client,
    authority: Authority,
    _lease: BufReader<UnixStream>,
}

impl LocalEnvironment {
    /// Takes a place in the environment that [`enter`] entered.
    ///
    /// # Errors
    /// When the environment has none to give.
    pub async fn join() -> Result<Self, EnvironmentError> {
        let mut lease = BufReader::new(UnixStream::connect(INNER).await.map_err(connection)?);
        protocol::write(&mut lease, &Request::Join).await?;
        let place = match protocol::read(&mut lease).await? {
            Some(Response::Joined(place)) => *place,
            other => return Err(unexpected(other)),
        };
        let client = control_plane::client(place.kubeconfig.reveal()).await?;
        let authority = Authority::from_pem(place.authority.clone())?;
        Ok(LocalEnvironment { place, client, authority, _lease: lease })
    }

    async fn ask(&self, request: Request) -> Result<Response, EnvironmentError> {
        let mut stream = BufReader::new(UnixStream::connect(INNER).await.map_err(connection)?);
        protocol::write(&mut stream, &request).await?;
        match protocol::read(&mut stream).await? {
            Some(Response::Failed { why }) => Err(EnvironmentError::Connection(why)),
            Some(response) => Ok(response),
            None => Err(unexpected(None)),
        }
    }
}

impl Environment for LocalEnvironment {
    fn name(&self) -> &'static str {
        "local"
    }

    fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn namespace(&self) -> &str {
        &self.place.namespace
    }

    fn gateway_address(&self) -> Ipv4Addr {
        self.place.gateway
    }

    fn authority(&self) -> &Authority {
        &self.authority
    }

    async fn container_logs(&self) -> Result<Vec<ContainerLog>, EnvironmentError> {
        match self.ask(Request::ContainerLogs { namespace: self.place.namespace.clone() }).await? {
            Response::ContainerLogs { logs } => Ok(logs),
            other => Err(unexpected(Some(other))),
        }
    }

    async fn exec(&self, pod: &str, container: &str, argv: &[&str]) -> Result<ExecOutput, EnvironmentError> {
        let request = Request::Exec {
            namespace: self.place.namespace.clone(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
        };
        match self.ask(request).await? {
            Response::Exec { output } => Ok(output),
            other => Err(unexpected(Some(other))),
        }
    }

    async fn forget_host(&self, host: &str) -> Result<(), EnvironmentError> {
        let request = Request::ForgetHost { namespace: self.place.namespace.clone(), host: host.to_owned() };
        self.ask(request).await.map(|_| ())
    }
}

fn unexpected(response: Option<Response>) -> EnvironmentError {
    EnvironmentError::Connection(match response {
        Some(Response::Failed { why }) => why,
        Some(_) => "it answered something else".to_owned(),
        None => "it has gone".to_owned(),
    })
}

fn connection(error: std::io::Error) -> EnvironmentError {
    EnvironmentError::Connection(format!("connect to {INNER}: {error}"))
}

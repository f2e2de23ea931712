//! Joining an environment: its namespaces first, while the process has one thread; then a place in it.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};
use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::inside::{ANSWER, ask, ask_within, count, talk, unexpected};
use super::sandbox::NAMESPACES;
use super::storage::LocalStorage;
use super::tie::Tie;
use crate::environment::api_client;
use crate::environment::protocol::{Place, Request, Response};
use crate::environment::shared;
use crate::environment::{
    ContainerLog, Description, Environment, EnvironmentError, ExecOutput, StorageError, StorageWanted,
};
use crate::exit::Verdict;
use crate::poll::within;
use crate::storage::Authority;
use crate::toolchain::Tools;

/// Enters the namespaces of the environment `name`. Returns in a child process, since a PID namespace can be entered
/// by children only; the process that called waits for it, hands on SIGTERM and SIGINT, and leaves with its exit
/// code. Both end with the caller's parent. The working directory is kept.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// When there is no such environment, or the kernel refuses.
pub fn enter(name: &str) -> Result<(), EnvironmentError> {
    let parent = getppid();
    let folder = step("find the working directory", std::env::current_dir())?;
    let outermost = shared::outermost(name)?;
    // All are opened before the first is entered: `/proc` is another one afterwards.
    let opened: Result<Vec<(&str, File)>, _> = NAMESPACES
        .iter()
        .map(|kind| File::open(format!("/proc/{outermost}/ns/{kind}")).map(|file| (*kind, file)))
        .collect();
    for (kind, file) in step("open the environment's namespaces", opened)? {
        let entered = setns(file.as_fd(), CloneFlags::empty()).map_err(io::Error::from);
        step(&format!("enter the environment's {kind} namespace"), entered)?;
    }
    step("go back to the working directory", std::env::set_current_dir(folder))?;
    // Only now: entering a user namespace makes the kernel forget it.
    die_with(parent)?;
    let tie = step("make a pipe", Tie::new())?;

    let handed_on = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD].into_iter().collect::<SigSet>();
    step("hold signals back", handed_on.thread_block().map_err(io::Error::from))?;
    // SAFETY: the process has one thread, so the child may do anything.
    match step("fork", unsafe { fork() }.map_err(io::Error::from))? {
        ForkResult::Parent { child } => {
            let _held = tie.hold();
            std::process::exit(stand_in_for(child, &handed_on))
        }
        ForkResult::Child => {
            step("let signals through", handed_on.thread_unblock().map_err(io::Error::from))?;
            step("tie the process to its parent", tie.bind())
        }
    }
}

/// It may have died before the signal was asked for; then nobody would send it.
fn die_with(parent: Pid) -> Result<(), EnvironmentError> {
    step("tie the process to its parent", set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from))?;
    if getppid() != parent {
        std::process::exit(i32::from(Verdict::Interrupted.code()));
    }
    Ok(())
}

/// Hands signals on until `child` has ended; its exit code, or 128 + the signal's number.
fn stand_in_for(child: Pid, signals: &SigSet) -> i32 {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => return code,
                Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
                _ => {}
            },
            // It may have ended in this moment; its SIGCHLD is on its way then.
            Ok(signal) => drop(kill(child, signal)),
            Err(_) => {}
        }
    }
}

fn step<T>(what: &str, result: io::Result<T>) -> Result<T, EnvironmentError> {
    result.map_err(|source| EnvironmentError::Sandbox { what: what.to_owned(), source })
}

/// A drill's place in a local environment. Its namespace is removed when this is dropped.
pub struct LocalEnvironment {
    place: Place,
    client: kube::Client,
    authority: Authority,
    /// Of the image that was given for Spilo.
    postgres_majors: Vec<u16>,
    _lease: BufReader<UnixStream>,
}

impl LocalEnvironment {
    /// Takes a place in the environment that [`enter`] entered. Its pods' images are made of `tools`, whatever
    /// those of the environment are.
    ///
    /// # Errors
    /// When the environment has none to give, or does not answer.
    pub async fn join(tools: &Tools) -> Result<Self, EnvironmentError> {
        Self::place_of(&[], tools).await
    }

    /// The same with namespaces of these names, none of which may exist; the first is the place's own.
    ///
    /// # Errors
    /// As [`LocalEnvironment::join`], or when one exists.
    pub async fn join_as(namespaces: &[String], tools: &Tools) -> Result<Self, EnvironmentError> {
        Self::place_of(namespaces, tools).await
    }

    async fn place_of(namespaces: &[String], tools: &Tools) -> Result<Self, EnvironmentError> {
        let request = Request::Join { namespaces: namespaces.to_vec(), tools: Box::new(tools.clone()) };
        let (lease, response) = within("a place in the environment", ANSWER, talk(&request)).await??;
        let place = match response {
            Some(Response::Joined(place)) => *place,
            other => return Err(unexpected(other)),
        };
        let client = api_client::client(place.kubeconfig.reveal()).await?;
        let authority = Authority::from_pem(place.authority.clone())?;
        let postgres_majors =
            tools.images.spilo.as_ref().map(|image| image.postgres_majors.clone()).unwrap_or_default();
        Ok(LocalEnvironment { place, client, authority, postgres_majors, _lease: lease })
    }

    /// The address that `*.blob.core.windows.net` resolves to for this place's pods. Port 443 of it is free for a
    /// storage gateway.
    pub fn gateway_address(&self) -> Ipv4Addr {
        self.place.gateway
    }

    /// The authority that pods trust; it signs a storage gateway's certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// As [`Environment::container_logs`], of another namespace that belongs to this place.
    ///
    /// # Errors
    /// When the environment does not answer.
    pub async fn container_logs_of(&self, namespace: &str) -> Result<Vec<ContainerLog>, EnvironmentError> {
        match ask(Request::ContainerLogs { namespace: namespace.to_owned() }).await? {
            Response::ContainerLogs { logs } => Ok(logs),
            other => Err(unexpected(Some(other))),
        }
    }
}

impl Environment for LocalEnvironment {
    type Storage = LocalStorage;

    const DESCRIPTION: &'static Description = &super::DESCRIPTION;

    fn postgres_majors(&self) -> Option<Vec<u16>> {
        Some(self.postgres_majors.clone()).filter(|majors| !majors.is_empty())
    }

    /// In the one whose namespaces this process is in.
    async fn take_place(_name: &str, tools: &Tools) -> Result<Self, EnvironmentError> {
        Self::join(tools).await
    }

    fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn namespace(&self) -> &str {
        &self.place.namespace
    }

    fn shared_folder(&self) -> Option<std::path::PathBuf> {
        Some(std::path::PathBuf::from(super::sandbox::STATE))
    }

    async fn storage(&self, wanted: StorageWanted<'_>) -> Result<LocalStorage, StorageError> {
        LocalStorage::make(wanted, self.namespace(), self.place.gateway, &self.authority).await
    }

    async fn reach(&self, pod: &Pod, port: u16) -> Result<Option<SocketAddr>, EnvironmentError> {
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse::<IpAddr>().ok());
        Ok(address.map(|address| SocketAddr::from((address, port))))
    }

    async fn container_logs(&self) -> Result<Vec<ContainerLog>, EnvironmentError> {
        self.container_logs_of(&self.place.namespace).await
    }

    async fn restart_node(&self) -> Result<u64, EnvironmentError> {
        count(Request::KillContainers { namespace: self.place.namespace.clone() }).await
    }

    async fn limit_volumes(&self, claims: &str, mebibytes: Option<u64>) -> Result<u64, EnvironmentError> {
        let (namespace, claims) = (self.place.namespace.clone(), claims.to_owned());
        count(Request::LimitVolumes { namespace, claims, mebibytes }).await
    }

    async fn exec(
        &self,
        pod: &str,
        container: &str,
        argv: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, EnvironmentError> {
        let request = Request::Exec {
            namespace: self.place.namespace.clone(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
        };
        let what = format!("the end of {} in {pod}", argv.first().unwrap_or(&"a program"));
        match ask_within(&what, limit, &request).await? {
            Response::Exec { output } => Ok(output),
            other => Err(unexpected(Some(other))),
        }
    }
}

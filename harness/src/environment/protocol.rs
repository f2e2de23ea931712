//! What is said over an environment's sockets: one JSON document a line, one request a connection.
//!
//! The *outer* socket has an abstract name in the host's network namespace, so that no file is left behind. The
//! *inner* one is a file of the sandbox's tmpfs, for those who have joined its namespaces.

use std::net::Ipv4Addr;
use std::os::unix::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};

use crate::environment::{ContainerLog, EnvironmentError, ExecOutput};
use crate::secret::Secret;
use crate::storage::AuthorityPem;
use crate::toolchain::Tools;

/// The inner socket.
pub(crate) const INNER: &str = "/run/clonedrill/socket";

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Answered with [`Response::Starting`] until the environment is ready, then with [`Response::Ready`]; if it fails,
    /// then or later, with [`Response::Failed`].
    AwaitReady,
    /// A namespace for a drill, for as long as the connection is open. Inner socket only.
    Join {
        /// The first is the drill's own, the others belong to it. Without a name it gets one.
        namespaces: Vec<String>,
        /// What the images of its pods are made of; the environment may have been started with others.
        tools: Box<Tools>,
    },
    /// Killed when the connection closes.
    Exec {
        namespace: String,
        pod: String,
        container: String,
        argv: Vec<String>,
    },
    ContainerLogs {
        namespace: String,
    },
    /// Whether a storage account's host name resolves for the namespace's pods.
    SetHost {
        namespace: String,
        host: String,
        resolves: bool,
    },
    /// How often the namespace's pods asked for such a host while it did not resolve; answered with [`Response::Count`].
    AskedInVain {
        namespace: String,
        host: String,
    },
    /// How much each volume of claims whose names begin so holds; without a number, again all that there is. Answered with
    /// [`Response::Count`], the volumes that are there already and have got another limit.
    LimitVolumes {
        namespace: String,
        claims: String,
        mebibytes: Option<u64>,
    },
    /// End all containers of the namespace at once, as a node that restarts; answered with [`Response::Count`].
    KillContainers {
        namespace: String,
    },
    /// A kubeconfig for clients outside the sandbox.
    Kubeconfig,
    /// Outlive the process that the environment was to end with.
    Keep,
    /// End the environment; answered with [`Response::Ending`].
    Down,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub(crate) enum Response {
    Starting {
        doing: String,
    },
    Ready,
    Joined(Box<Place>),
    Exec {
        output: ExecOutput,
    },
    ContainerLogs {
        logs: Vec<ContainerLog>,
    },
    Kubeconfig {
        #[serde(serialize_with = "Secret::revealed")]
        kubeconfig: Secret,
    },
    Count {
        count: u64,
    },
    Done,
    Ending {
        /// How long that may take.
        seconds: u64,
    },
    Failed {
        why: String,
    },
}

/// A drill's place in an environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub namespace: String,
    pub gateway: Ipv4Addr,
    pub authority: AuthorityPem,
    /// A kubeconfig with full rights.
    #[serde(serialize_with = "Secret::revealed")]
    pub kubeconfig: Secret,
    /// What only environments of its kind understand; null where there is nothing.
    pub own: serde_json::Value,
}

/// The outer socket of the environment called `name`.
///
/// # Errors
/// When the name is too long for a socket.
pub(crate) fn outer(name: &str) -> Result<SocketAddr, EnvironmentError> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(format!("{}{name}", outer_prefix()))
        .map_err(|error| EnvironmentError::Connection(format!("name the socket: {error}")))
}

/// What the outer sockets' names of this user's environments begin with.
pub(crate) fn outer_prefix() -> String {
    format!("clonedrill/{}/", nix::unistd::geteuid())
}

/// # Errors
/// When the other side has gone.
pub(crate) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> Result<(), EnvironmentError> {
    let mut line = serde_json::to_vec(message).map_err(connection)?;
    line.push(b'\n');
    to.write_all(&line).await.map_err(connection)
}

/// The next message, or nothing when the other side has closed.
///
/// # Errors
/// When what comes is no such message.
pub(crate) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<T>, EnvironmentError> {
    let mut line = String::new();
    match from.read_line(&mut line).await.map_err(connection)? {
        0 => Ok(None),
        _ => serde_json::from_str(&line).map(Some).map_err(connection),
    }
}

fn connection(error: impl std::fmt::Display) -> EnvironmentError {
    EnvironmentError::Connection(error.to_string())
}

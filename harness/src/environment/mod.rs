//! Where drills run: `local` and `kind`, which are made for them, and `cluster`, which exists.

mod api_client;
pub mod cluster;
mod description;
mod door;
pub mod kind;
pub mod local;
pub(crate) mod protocol;
mod ready;
mod room;
pub mod shared;
mod storage_error;
mod trouble;
mod which;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::poll::PollError;
use crate::storage::{Account, Requests, Rule, RuleError, RuleId, RuleState, WhoIs};
use crate::toolchain::{AzuriteTool, Tools};

pub use description::{Description, Prepared, Wishes};
pub use ready::is_ready;
pub use room::has_room;
pub use shared::Share;
pub use storage_error::StorageError;
pub use trouble::trouble;
pub use which::{Guest, Which};

/// Namespaces whose names begin so hold what is rendered: of their pods only those with [`RUN_LABEL`] run. It is the
/// name that tells, since a namespace's labels may become known later than a pod in it.
pub const RENDERED: &str = "render-";
/// Pods of such a namespace carry it where they shall run.
pub const RUN_LABEL: &str = "clonedrill/run";
/// Says whose namespace it is: that of the place with this name, and it goes with it.
pub const PLACE_LABEL: &str = "clonedrill/place";

/// A drill's place in an environment: a namespace of its own, and the ways to look into it.
///
/// Dropping it lets go of the environment, which then removes the namespace.
#[allow(async_fn_in_trait)]
pub trait Environment: Send + Sync {
    /// The storage accounts of a drill in it.
    type Storage: Storage;

    /// What is to be known of it before there is one.
    const DESCRIPTION: &'static Description;

    /// Takes a place in the environment called `name`, which [`Description::enter`] was told before. Its pods' images
    /// are made of `tools`, whatever those of the environment are.
    ///
    /// # Errors
    /// When there is no such environment, or it has no place to give.
    async fn take_place(name: &str, tools: &Tools) -> Result<Self, EnvironmentError>
    where
        Self: Sized;

    /// As it stands in reports.
    fn name(&self) -> &'static str {
        Self::DESCRIPTION.name
    }

    /// A client of the API server with full rights.
    fn client(&self) -> kube::Client;

    /// The namespace that was made for this drill.
    fn namespace(&self) -> &str;

    /// What the operator's configuration needs to say here, whatever a scenario says besides.
    fn operator_settings(&self) -> Map<String, Value> {
        Map::new()
    }

    /// The majors that pods' images have, where the environment knows them.
    fn postgres_majors(&self) -> Option<Vec<u16>> {
        None
    }

    /// A folder that all drills in this environment share, and that goes with it; none where it has none.
    fn shared_folder(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// Makes the drill's storage: Azurite, and the gateway before it that pods find under
    /// `*.blob.core.windows.net`, with a certificate that they trust.
    ///
    /// # Errors
    /// The part that did not come up.
    async fn storage(&self, wanted: StorageWanted<'_>) -> Result<Self::Storage, StorageError>;

    /// Where this port of a pod can be reached from here; nothing where the pod has no address yet.
    ///
    /// # Errors
    /// When there is no way.
    async fn reach(&self, pod: &Pod, port: u16) -> Result<Option<SocketAddr>, EnvironmentError>;

    /// All output of all containers of the drill's namespace since it began, previous attempts and
    /// deleted pods included, oldest first.
    ///
    /// # Errors
    /// When the environment does not answer.
    async fn container_logs(&self) -> Result<Vec<ContainerLog>, EnvironmentError>;

    /// Ends all containers of the drill's namespace at once, as a node that restarts does, whatever runs in them; how many
    /// they were.
    ///
    /// # Errors
    /// Where the environment cannot, or does not answer.
    async fn restart_node(&self) -> Result<u64, EnvironmentError> {
        Err(self.cannot("restart its node for one drill alone"))
    }

    /// From now on each volume of claims whose names begin with `claims` holds so many MiB; without a number, again all
    /// that there is. How many of those that are there already got another limit: what has none keeps none.
    ///
    /// # Errors
    /// Where the environment cannot, or does not answer.
    async fn limit_volumes(&self, claims: &str, mebibytes: Option<u64>) -> Result<u64, EnvironmentError> {
        let _ = (claims, mebibytes);
        Err(self.cannot("say how much a volume holds"))
    }

    /// What this kind of environment does not do.
    fn cannot(&self, what: &str) -> EnvironmentError {
        EnvironmentError::Failed(format!("{what}: an environment of kind {} cannot", self.name()))
    }

    /// Runs a program in a running container with the container's environment. One that has not ended within `limit`
    /// is killed with all that it started in its session.
    ///
    /// # Errors
    /// When there is no such container, the program does not end or the environment does not answer; not when the
    /// program fails.
    async fn exec(
        &self,
        pod: &str,
        container: &str,
        argv: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, EnvironmentError>;
}

/// What a drill wants of its storage.
pub struct StorageWanted<'a> {
    /// The program or the image that it runs from.
    pub azurite: &'a AzuriteTool,
    /// Each with its key; one gateway stands before all of them.
    pub accounts: &'a [Account],
    /// Made in each account.
    pub containers: &'a [String],
    /// What it begins with, and whether it can be kept.
    pub blobs: BlobsWanted<'a>,
    /// Tells whose an address is, for rules and records about one cluster or pod.
    pub who_is: WhoIs,
}

/// What becomes of a storage's blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobsWanted<'a> {
    /// It begins with none, and they go with it.
    Passing,
    /// It begins with none, and [`Storage::keep`] keeps them.
    Kept,
    /// It begins with those that another storage kept in this folder; what it changes goes with it.
    From(&'a std::path::Path),
}

/// The storage of one drill. It goes when this is dropped.
#[allow(async_fn_in_trait)]
pub trait Storage: Send + Sync {
    /// Azurite as the harness itself reaches it, plain HTTP and past the gateway.
    fn blobs_address(&self) -> SocketAddr;

    /// The address that the accounts' names resolve to for pods.
    fn gateway_address(&self) -> IpAddr;

    /// Why it ended by itself, with its last lines; `None` while it runs. Fits after "failed to".
    fn failed(&self) -> Option<String>;

    /// Ends it and leaves its blobs in this folder, which does not exist yet, for [`BlobsWanted::From`].
    ///
    /// # Errors
    /// When it was not made to be kept, does not end or the folder cannot be written.
    async fn keep(&self, folder: &std::path::Path) -> Result<(), StorageError>;

    /// All requests so far that the gateway saw.
    ///
    /// # Errors
    /// When the gateway does not answer.
    async fn requests(&self) -> Result<Requests, EnvironmentError>;

    /// From now on this rule decides before all that were added earlier. An account that is lost resolves for none of
    /// the drill's pods when this returns.
    ///
    /// # Errors
    /// When the rule could never act as it says, or the environment does not answer.
    async fn add_rule(&self, rule: Rule) -> Result<RuleId, EnvironmentError>;

    /// From now on this rule decides nothing, and an account that it lost resolves again.
    ///
    /// # Errors
    /// When no such rule acts, or the environment does not answer.
    async fn end_rule(&self, id: RuleId) -> Result<RuleState, EnvironmentError>;

    /// All rules that there ever were, the oldest first, and what became of each so far.
    ///
    /// # Errors
    /// When the environment does not answer.
    async fn rules(&self) -> Result<Vec<RuleState>, EnvironmentError>;
}

/// One attempt of one container, all that it printed on stdout and stderr.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerLog {
    /// By its `metadata.name`.
    pub pod: String,
    /// `metadata.uid` of that pod, which tells pods apart that had one name after the other; empty where nobody asked.
    pub uid: String,
    /// Its name in the pod.
    pub container: String,
    /// 0 for the first start, 1 for the first restart, ….
    pub attempt: u32,
    /// Both streams in the order in which they were printed.
    pub text: String,
}

/// What a program that was run in a container left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecOutput {
    /// The exit code, or 128 + the signal's number.
    pub code: i32,
    /// All of it, what is no UTF-8 replaced.
    pub stdout: String,
    /// All of it, what is no UTF-8 replaced.
    pub stderr: String,
}

/// Why an environment could not do what was asked. Exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A part did not come up or ended by itself.
    #[error("run {part}: {why}{}", last_lines(.log))]
    Part {
        /// A part of the environment, such as `the node`.
        part: String,
        /// How it ended, or what it did not do.
        why: String,
        /// Its last lines; empty where it wrote none, or nobody could read them.
        log: Vec<String>,
    },
    /// The kernel did not allow something that the sandbox is made of.
    #[error("set up the sandbox: {what}: {source}")]
    Sandbox {
        /// What was being done, such as `open netlink`.
        what: String,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// Making an authority for the environment's TLS failed.
    #[error("make a certificate: {0}")]
    Certificate(#[from] crate::storage::AuthorityError),
    /// What the environment said of itself.
    #[error("{0}")]
    Failed(String),
    /// The environment's process, or its API server, cannot be talked to; why.
    #[error("talk to the environment: {0}")]
    Connection(String),
    /// No node takes a pod, or its node has put it out.
    #[error(
        "start pod {pod}: the node is full ({why}); give it more room, or run fewer drills at a time (--jobs)"
    )]
    NoRoom {
        /// By its `metadata.name`.
        pod: String,
        /// In the scheduler's or the node's words.
        why: String,
    },
    /// What only one kind of environment can say.
    #[error("{0}")]
    Own(Box<dyn std::error::Error + Send + Sync>),
    /// A rule of the storage is none that the gateway can keep.
    #[error("{0}")]
    Rule(#[from] RuleError),
    /// A request to the API server failed.
    #[error("ask the API server: {0}")]
    Kube(Box<kube::Error>),
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(#[from] crate::poll::TimedOut),
}

impl From<kube::Error> for EnvironmentError {
    fn from(error: kube::Error) -> Self {
        EnvironmentError::Kube(Box::new(error))
    }
}

impl<E> From<PollError<E>> for EnvironmentError
where
    EnvironmentError: From<E>,
{
    fn from(error: PollError<E>) -> Self {
        match error {
            PollError::TimedOut(late) => late.into(),
            PollError::Failed(error) => error.into(),
        }
    }
}

fn last_lines(log: &[String]) -> String {
    if log.is_empty() {
        return String::new();
    }
    format!("; its last lines:\n  {}", log.join("\n  "))
}

//! Why a kind environment could not do what was asked, each with what to do about it. Exit code 3.

use std::path::PathBuf;

use crate::environment::EnvironmentError;

/// The texts fit after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// Docker does not answer, or its client is not there.
    #[error("reach Docker: {why}; start it, or set DOCKER_HOST to where it listens")]
    NoDocker {
        /// In Docker's words, or what this program saw.
        why: String,
    },
    /// Docker or its client failed at something.
    #[error("{what}: {why}")]
    Docker {
        /// What was being done, such as `run Azurite`.
        what: String,
        /// In Docker's words, or what this program saw.
        why: String,
    },
    /// An image is neither there nor can it be pulled.
    #[error(
        "have the image {reference}: {why}; give an archive of it (--load-image FILE), make it (clonedrill images \
         build), or name a mirror under `images:` in clonedrill.yaml"
    )]
    Image {
        /// The image's name with its tag or digest.
        reference: String,
        /// The line of Docker or kind that says so.
        why: String,
    },
    /// Docker cannot load an archive that a person gave.
    #[error("load {}: {why}; `docker save` writes such archives", .path.display())]
    Archive {
        /// As `--load-image` gives it.
        path: PathBuf,
        /// In Docker's words.
        why: String,
    },
    /// A cluster of this name has no volume that says it is ours; nothing of it is touched.
    #[error(
        "make the kind cluster {name}: there is one of that name that clonedrill did not make; delete it (kind delete \
         cluster --name {name}), or give another name under `kind:` in clonedrill.yaml"
    )]
    NotOurs {
        /// As kind knows it, without the prefix of its containers.
        name: String,
    },
    /// A cluster of this name is ours and belongs to a process that still runs.
    #[error(
        "make the kind cluster {name}: another run is using it (process {process}); wait for its end, or give another \
         name under `kind:` in clonedrill.yaml"
    )]
    InUse {
        /// As kind knows it.
        name: String,
        /// The process that it ends with.
        process: i32,
    },
    /// The port of this machine that `api-server-port` asks for is another's.
    #[error(
        "make the kind cluster {name}: its port is taken ({why}); free it, or leave `api-server-port` out of \
         clonedrill.yaml, and a free one is taken"
    )]
    PortTaken {
        /// As kind knows the cluster.
        name: String,
        /// The line of kind or Docker that says so.
        why: String,
    },
    /// Kind failed for a reason that no other variant has.
    #[error("make the kind cluster {name}: {why}{}", last_lines(.log))]
    Create {
        /// As kind knows the cluster.
        name: String,
        /// Kind's own line with `ERROR`, or what this program saw.
        why: String,
        /// Kind's last lines; empty where kind did not get to say anything.
        log: Vec<String>,
    },
    /// A node's container is not running any more, in the middle of a run.
    #[error(
        "keep the kind cluster {name}: its node {node} has ended ({why}); `docker logs {node}` may say why"
    )]
    NodeEnded {
        /// As kind knows the cluster.
        name: String,
        /// The name of the node, which its container has too.
        node: String,
        /// How Docker says that it ended.
        why: String,
    },
    /// Disk or memory of the nodes do not suffice.
    #[error(
        "{what}: the node is full ({why}); give Docker more disk or memory, or run fewer drills at a time (--jobs)"
    )]
    NodeFull {
        /// What was being done, such as `make the kind cluster …`.
        what: String,
        /// The line that says so.
        why: String,
    },
    /// Something of a cluster is still there after its removal; the next run tries again.
    #[error("remove {what}: {why}")]
    Left {
        /// The cluster's name, or the folder's path.
        what: String,
        /// What it failed with, or how long was waited.
        why: String,
    },
}

impl From<KindError> for EnvironmentError {
    fn from(error: KindError) -> Self {
        EnvironmentError::Own(Box::new(error))
    }
}

fn last_lines(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!("; its last lines:\n  {}", log.join("\n  ")) }
}

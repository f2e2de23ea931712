//! Why a kind environment could not do what was asked, each with what to do about it. Exit code 3.

use std::path::PathBuf;

use crate::environment::EnvironmentError;

/// The texts fit after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    #[error("reach Docker: {why}; start it, or set DOCKER_HOST to where it listens")]
    NoDocker { why: String },
    #[error("{what}: {why}")]
    Docker { what: String, why: String },
    #[error(
        "have the image {reference}: {why}; give an archive of it (--load-image FILE), make it (clonedrill images \
         build), or name a mirror under `images:` in clonedrill.yaml"
    )]
    Image { reference: String, why: String },
    #[error("load {}: {why}; `docker save` writes such archives", .path.display())]
    Archive { path: PathBuf, why: String },
    #[error(
        "make the kind cluster {name}: there is one of that name that clonedrill did not make; delete it (kind delete \
         cluster --name {name}), or give another name under `kind:` in clonedrill.yaml"
    )]
    NotOurs { name: String },
    #[error(
        "make the kind cluster {name}: another run is using it (process {process}); wait for its end, or give another \
         name under `kind:` in clonedrill.yaml"
    )]
    InUse { name: String, process: i32 },
    #[error(
        "make the kind cluster {name}: its port is taken ({why}); free it, or leave `api-server-port` out of \
         clonedrill.yaml, and a free one is taken"
    )]
    PortTaken { name: String, why: String },
    #[error("make the kind cluster {name}: {why}{}", last_lines(.log))]
    Create { name: String, why: String, log: Vec<String> },
    #[error(
        "keep the kind cluster {name}: its node {node} has ended ({why}); `docker logs {node}` may say why"
    )]
    NodeEnded { name: String, node: String, why: String },
    #[error(
        "{what}: the node is full ({why}); give Docker more disk or memory, or run fewer drills at a time (--jobs)"
    )]
    NodeFull { what: String, why: String },
    #[error("remove {what}: {why}")]
    Left { what: String, why: String },
}

impl From<KindError> for EnvironmentError {
    fn from(error: KindError) -> Self {
        EnvironmentError::Own(Box::new(error))
    }
}

fn last_lines(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!("; its last lines:\n  {}", log.join("\n  ")) }
}

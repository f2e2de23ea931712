//! Why a cluster that exists could not be used.

use std::path::PathBuf;

use super::connect::causes;
use super::rights::Right;
use crate::exit::Verdict;
use crate::poll::TimedOut;

/// Each with its own remedy, see [`ClusterError::help`].
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("read the kubeconfig{}: {source}", .path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Kubeconfig { path: Option<PathBuf>, source: Box<kube::config::KubeconfigError> },
    #[error("find a cluster: there is no kubeconfig, and this is no pod of a cluster ({0})")]
    Nowhere(Box<kube::config::InClusterError>),
    #[error("find the context {0}: there is no kubeconfig")]
    NoContext(String),
    #[error("use the kubeconfig: {0}")]
    Client(Box<kube::Error>),
    #[error("reach the API server {server}: {why}")]
    Unreachable { server: String, why: String },
    #[error("log in to the API server {server}: it does not know this user ({why})")]
    Unauthorized { server: String, why: String },
    #[error("{doing}: this user may not {}", list(.missing))]
    Forbidden { doing: String, missing: Vec<Right> },
    #[error("{doing}: {}", causes(.source))]
    Api { doing: String, source: Box<kube::Error> },
    #[error("find the namespace {0}: it does not exist")]
    NoNamespace(String),
    #[error("use the namespace {0}: it is being deleted")]
    Terminating(String),
    #[error("take the lease {name}: it is held by {by}")]
    Busy { name: String, by: String },
    #[error("keep the lease {name}: {by} has taken it")]
    LeaseLost { name: String, by: String },
    #[error("forward a port to {pod}: {source}")]
    Forward { pod: String, source: std::io::Error },
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
}

fn list(rights: &[Right]) -> String {
    rights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", nor ")
}

impl ClusterError {
    /// For `map_err`: what was being done when the API server said no.
    pub fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> ClusterError {
        let doing = doing.into();
        |source| ClusterError::Api { doing, source: Box::new(source) }
    }

    /// Whether it may pass by itself: the API server was asked and said nothing, or that it cannot answer now.
    pub fn may_pass(&self) -> bool {
        match self {
            ClusterError::Api { source, .. } => match &**source {
                kube::Error::Api(status) => status.code >= 500 || status.code == 429,
                kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => false,
                _ => true,
            },
            ClusterError::TimedOut(_) => true,
            _ => false,
        }
    }

    /// A person's file or argument is at fault, or the cluster is.
    pub fn verdict(&self) -> Verdict {
        match self {
            ClusterError::Kubeconfig { .. }
            | ClusterError::Nowhere(_)
            | ClusterError::NoContext(_)
            | ClusterError::Client(_)
            | ClusterError::Unauthorized { .. }
            | ClusterError::NoNamespace(_) => Verdict::Invalid,
            _ => Verdict::Broken,
        }
    }

    /// What a person can do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            ClusterError::Kubeconfig { .. } | ClusterError::Client(_) => {
                "`--kubeconfig` names another file, `--context` another context of it".to_owned()
            }
            ClusterError::Nowhere(_) | ClusterError::NoContext(_) => {
                "`--kubeconfig` names the cluster".to_owned()
            }
            ClusterError::Unreachable { .. } => "`kubectl get --raw /readyz` tells more".to_owned(),
            ClusterError::Unauthorized { .. } => {
                "its token or certificate has expired, or belongs to another cluster".to_owned()
            }
            ClusterError::Forbidden { missing, .. } => {
                let first = missing.first().map(Right::can_i).unwrap_or_default();
                format!(
                    "the files ci/kubernetes/rbac*.yaml grant all that drills need; `{first}` asks for one right"
                )
            }
            ClusterError::NoNamespace(name) => format!("`kubectl create namespace {name}` makes it"),
            ClusterError::Terminating(_) => "make it again once it is gone, or name another one".to_owned(),
            ClusterError::Busy { .. } => "wait for that drill, or end it".to_owned(),
            ClusterError::Api { .. }
            | ClusterError::LeaseLost { .. }
            | ClusterError::Forward { .. }
            | ClusterError::TimedOut(_) => return None,
        };
        Some(help)
    }
}

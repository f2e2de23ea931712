//! Why a cluster that exists could not be used.

use std::path::PathBuf;

use super::connect::causes;
use super::rights::Right;
use crate::exit::Verdict;
use crate::poll::TimedOut;

/// Each with its own remedy, see [`ClusterError::help`].
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be read, or has not the context that was asked for.
    #[error("read the kubeconfig{}: {source}", .path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Kubeconfig {
        /// As `--kubeconfig` gives it; none where `KUBECONFIG` or the home folder's was read.
        path: Option<PathBuf>,
        /// What kube says of it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// Without a kubeconfig only a pod's service account is left, and there is none.
    #[error("find a cluster: there is no kubeconfig, and this is no pod of a cluster ({0})")]
    Nowhere(Box<kube::config::InClusterError>),
    /// `--context` names one, and there is no kubeconfig to look for it in.
    #[error("find the context {0}: there is no kubeconfig")]
    NoContext(String),
    /// The kubeconfig was read, and no client can be made of it, say because of its certificates.
    #[error("use the kubeconfig: {0}")]
    Client(Box<kube::Error>),
    /// Nothing came back from the API server.
    #[error("reach the API server {server}: {why}")]
    Unreachable {
        /// Its address, from the kubeconfig.
        server: String,
        /// The causes, from the outermost to the innermost.
        why: String,
    },
    /// The API server answered 401 or 403 to what every known user may ask.
    #[error("log in to the API server {server}: it does not know this user ({why})")]
    Unauthorized {
        /// Its address, from the kubeconfig.
        server: String,
        /// In the API server's words.
        why: String,
    },
    /// Asked beforehand: rights are missing.
    #[error("{doing}: this user may not {}", list(.missing))]
    Forbidden {
        /// What they are needed for, such as `do the drill`.
        doing: String,
        /// All that are missing, not only the first.
        missing: Vec<Right>,
    },
    /// A request failed.
    #[error("{doing}: {}", causes(.source))]
    Api {
        /// What it was for, such as `look at the lease`.
        doing: String,
        /// What kube says; its causes are part of the message.
        source: Box<kube::Error>,
    },
    /// The API server knows no namespace of this name.
    #[error("find the namespace {0}: it does not exist")]
    NoNamespace(String),
    /// It exists, and takes nothing new.
    #[error("use the namespace {0}: it is being deleted")]
    Terminating(String),
    /// Its holder goes on and is not waited for, or the Lease is none of ours.
    #[error("take the lease {name}: it is held by {by}")]
    Busy {
        /// By its `metadata.name`.
        name: String,
        /// Who holds it, and since when.
        by: String,
    },
    /// The lease was held, and is another's now: it was not renewed in time, or was removed.
    #[error("keep the lease {name}: {by} has taken it")]
    LeaseLost {
        /// By its `metadata.name`.
        name: String,
        /// Who has it now, as far as it is known.
        by: String,
    },
    /// No port of this machine could be taken for it.
    #[error("forward a port to {pod}: {source}")]
    Forward {
        /// By its `metadata.name`.
        pod: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The cluster, or the way to it, did not do something in time.
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

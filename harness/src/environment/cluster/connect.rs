//! The way to the API server: a kubeconfig, or the service account of the pod that this runs in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::error::ClusterError;
use crate::environment::api_client::limited;

/// An API server that is there accepts a connection at once.
const CONNECT: Duration = Duration::from_secs(10);

/// Which cluster is meant.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Without it, what `kubectl` would take, and in a pod its service account.
    pub kubeconfig: Option<PathBuf>,
    /// Without it, the current one.
    pub context: Option<String>,
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct ClusterAccess {
    client: Client,
    streams: Client,
    /// The context's name, or `in-cluster`.
    context: String,
    server: String,
}

impl ClusterAccess {
    /// # Errors
    /// When there is no usable kubeconfig, or no API server that knows this user.
    pub async fn connect(wanted: &Wanted) -> Result<Self, ClusterError> {
        let (mut config, context) = configuration(wanted).await?;
        config.connect_timeout = Some(CONNECT);
        // A port that is forwarded for a long query, or a log that is followed, is silent for long.
        config.read_timeout = None;
        let server = config.cluster_url.to_string();
        let streams = Client::try_from(config).map_err(|error| ClusterError::Client(Box::new(error)))?;
        let access = ClusterAccess { client: limited(streams.clone()), streams, context, server };
        access.knows_us().await?;
        Ok(access)
    }

    /// For requests, none of which waits for ever.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// For what goes on: followed logs and forwarded ports.
    pub fn streams(&self) -> Client {
        self.streams.clone()
    }

    /// The kubeconfig's context; in a pod, what stands for one.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Whether a namespace can be used.
    ///
    /// # Errors
    /// When it is not there or in termination. One that may not be looked at is taken to be there.
    pub async fn usable(&self, namespace: &str) -> Result<(), ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        let found = match api.get_opt(namespace).await {
            Ok(Some(found)) => found,
            Ok(None) => return Err(ClusterError::NoNamespace(namespace.to_owned())),
            // Whoever may only work inside of it need not see it.
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(()),
            Err(error) => return Err(ClusterError::api(format!("look at the namespace {namespace}"))(error)),
        };
        match found.metadata.deletion_timestamp {
            Some(_) => Err(ClusterError::Terminating(namespace.to_owned())),
            None => Ok(()),
        }
    }

    /// Every user that is known may ask for the version.
    async fn knows_us(&self) -> Result<(), ClusterError> {
        let server = self.server.clone();
        let review =
            serde_json::json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("content-type", "application/json")
            .body(review.to_string().into_bytes());
        let request = request
            .map_err(|error| ClusterError::Unreachable { server: server.clone(), why: error.to_string() })?;
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            // Before 1.28 there was no such question; what comes next will tell.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                Err(ClusterError::Unauthorized { server, why: status.message.clone() })
            }
            Err(error) => Err(ClusterError::Unreachable { server, why: causes(&error) }),
        }
    }
}

/// An error with what is behind it: the outermost says only that a service failed.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(&format!(": {text}"));
        }
        next = cause.source();
    }
    said
}

async fn configuration(wanted: &Wanted) -> Result<(Config, String), ClusterError> {
    let path = wanted.kubeconfig.clone();
    let wrong = |source| ClusterError::Kubeconfig { path: path.clone(), source: Box::new(source) };
    let read = match &wanted.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(wrong)?,
        None if has_kubeconfig() => Kubeconfig::read().map_err(wrong)?,
        None if wanted.context.is_some() => {
            return Err(ClusterError::NoContext(wanted.context.clone().unwrap_or_default()));
        }
        None => {
            let config = Config::incluster().map_err(|error| ClusterError::Nowhere(Box::new(error)))?;
            return Ok((config, "in-cluster".to_owned()));
        }
    };
    let context = wanted.context.clone().or_else(|| read.current_context.clone()).unwrap_or_default();
    let options = KubeConfigOptions { context: wanted.context.clone(), ..KubeConfigOptions::default() };
    Ok((Config::from_custom_kubeconfig(read, &options).await.map_err(wrong)?, context))
}

/// Where `kubectl` looks.
fn has_kubeconfig() -> bool {
    let home = std::env::var_os("HOME").unwrap_or_default();
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
        || Path::new(&home).join(".kube/config").is_file()
}

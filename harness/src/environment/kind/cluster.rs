//! The kind cluster itself: made by the kind program, given its images, watched.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, ResourceExt};

use super::error::KindError;
use super::order::Order;
use super::{docker, owner, program};
use crate::environment::{EnvironmentError, api_client};
use crate::poll::{Limit, Seen, poll};
use crate::secret::Secret;

/// Pulling the node's image included.
const CREATE: Duration = Duration::from_secs(1200);
const LOAD: Duration = Duration::from_secs(900);
const READY: Limit = Limit::seconds(180);

/// A cluster that was made and is ready.
pub(super) struct Cluster {
    pub kubeconfig: Secret,
    pub client: Client,
    name: String,
    kind: PathBuf,
    nodes: Vec<String>,
}

impl Cluster {
    /// Makes it. What is there of it when this fails or is dropped, [`owner::remove`] removes.
    ///
    /// # Errors
    /// What kind or Docker said, as one of [`KindError`] where it is known.
    pub(super) async fn make(order: &Order) -> Result<Cluster, EnvironmentError> {
        let kubeconfig = kubeconfig_file(&order.cluster)?;
        let path = kubeconfig.display().to_string();
        let mut arguments =
            vec!["create", "cluster", "--name", &order.cluster, "--kubeconfig", &path, "--config", "-"];
        if let Some(image) = &order.node_image {
            arguments.extend(["--image", image.as_str()]);
        }
        let ended = program::run_in(
            &owner::folder(&order.cluster),
            &order.kind,
            &arguments,
            &configuration(order),
            CREATE,
        )
        .await;
        let failed = |why, log| KindError::Create { name: order.cluster.clone(), why, log };
        let ended = ended.map_err(|why| failed(why, Vec::new()))?;
        if !ended.succeeded {
            return Err(refined(order, &ended.last_lines()).into());
        }
        let text = fs::read_to_string(&kubeconfig).map_err(|error| failed(error.to_string(), Vec::new()))?;
        let client = api_client::client(&text).await?;
        let nodes = owner::nodes(&order.cluster).await?;
        Ok(Cluster {
            kubeconfig: Secret::new(text),
            client,
            name: order.cluster.clone(),
            kind: order.kind.clone(),
            nodes,
        })
    }

    /// Gives the nodes images that Docker has.
    ///
    /// # Errors
    /// When there is no room for them, or kind fails.
    pub(super) async fn load(&self, images: &[String]) -> Result<(), KindError> {
        let mut arguments = vec!["load", "docker-image", "--name", self.name.as_str()];
        arguments.extend(images.iter().map(String::as_str));
        let what = format!("load images into the kind cluster {}", self.name);
        let ended = program::run_in(&owner::folder(&self.name), &self.kind, &arguments, "", LOAD).await;
        let ended = ended.map_err(|why| KindError::Docker { what: what.clone(), why })?;
        if ended.succeeded {
            return Ok(());
        }
        let log = ended.last_lines().join("\n  ");
        Err(match log.contains("no space left") {
            true => KindError::NodeFull { what, why: ended.why() },
            false => KindError::Docker { what, why: log },
        })
    }

    /// Waits until its nodes take pods.
    ///
    /// # Errors
    /// What is missing after three minutes.
    pub(super) async fn ready(&self) -> Result<(), EnvironmentError> {
        let api: Api<Node> = Api::all(self.client.clone());
        let ready = poll(format!("the nodes of {} to be ready", self.name), READY, async || {
            let nodes = api.list(&Default::default()).await?.items;
            let late: Vec<String> =
                nodes.iter().filter(|node| !is_ready(node)).map(|node| node.name_any()).collect();
            Ok::<_, kube::Error>(match late.is_empty() && !nodes.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("{} nodes, not ready: {late:?}", nodes.len())),
            })
        });
        ready.await.map_err(EnvironmentError::from)
    }

    /// Comes back when one of its nodes has ended.
    pub(super) async fn end(&self) -> KindError {
        let ends = self.nodes.iter().map(|node| Box::pin(async move { (node, docker::end_of(node).await) }));
        let ((node, why), ..) = futures::future::select_all(ends).await;
        KindError::NodeEnded { name: self.name.clone(), node: node.clone(), why }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// In a folder that only its owner reads; whoever removes the cluster removes it too.
fn kubeconfig_file(cluster: &str) -> Result<PathBuf, KindError> {
    let folder = owner::folder(cluster);
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|error| KindError::Create {
        name: cluster.to_owned(),
        why: format!("make the folder {}: {error}", folder.display()),
        log: Vec::new(),
    })?;
    Ok(folder.join("kubeconfig"))
}

fn configuration(order: &Order) -> String {
    let port = order.api_server_port.map(|port| format!(", apiServerPort: {port}")).unwrap_or_default();
    format!(
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking: {{ apiServerAddress: 127.0.0.1{port} }}\n"
    )
}

/// What kind's last lines mean.
fn refined(order: &Order, log: &[String]) -> KindError {
    let name = order.cluster.clone();
    let said = |words: &[&str]| log.iter().find(|line| words.iter().any(|word| line.contains(word))).cloned();
    if let Some(why) = said(&["port is already allocated", "address already in use"]) {
        return KindError::PortTaken { name, why };
    }
    if let Some(why) = said(&["no space left on device"]) {
        return KindError::NodeFull { what: format!("make the kind cluster {name}"), why };
    }
    if let Some(why) = said(&["failed to pull image", "No such image", "Unable to find image"]) {
        let reference = order.node_image.clone().unwrap_or_else(|| "of kind's node".to_owned());
        return KindError::Image { reference, why };
    }
    if let Some(why) = said(&["already exist for a cluster with the name"]) {
        tracing::debug!(why, "kind knows the name");
        return KindError::NotOurs { name };
    }
    let why = log.iter().find(|line| line.starts_with("ERROR")).cloned();
    KindError::Create { name, why: why.unwrap_or_else(|| "kind failed".to_owned()), log: log.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            cluster: "clonedrill-x".to_owned(),
            kind: "kind".into(),
            node_image: Some("kindest/node:v1".to_owned()),
            api_server_port: Some(6443),
            archives: Vec::new(),
            images: Default::default(),
            tools: serde_json::from_value(serde_json::json!({
                "etcd": "/e", "kube_apiserver": "/a", "kube_controller_manager": "/c",
                "wal_g": { "program": "/w", "version": "v1", "predates_postgres_15": true },
                "azurite": { "node": "/n", "script": "/s" }, "patroni": { "python": "/p", "version": "4" },
                "postgres": [], "operators": {}, "visible": [],
            }))
            .unwrap_or_else(|error| panic!("{error}")),
        }
    }

    #[test]
    fn what_kind_says_becomes_an_error_with_a_remedy() {
        let of =
            |line: &str| refined(&order(), &["Creating cluster".to_owned(), line.to_owned()]).to_string();
        let port = of("docker: Error response: Bind for 127.0.0.1:6443 failed: port is already allocated.");
        assert!(port.contains("its port is taken") && port.contains("api-server-port"), "{port}");
        let image = of("ERROR: failed to create cluster: failed to pull image \"kindest/node:v1\"");
        assert!(
            image.contains("have the image kindest/node:v1") && image.contains("--load-image"),
            "{image}"
        );
        let full = of("write /var/lib/x: no space left on device");
        assert!(full.contains("the node is full"), "{full}");
        let other = of("ERROR: failed to init node");
        assert!(other.contains("ERROR: failed to init node; its last lines:\n  Creating"), "{other}");
    }
}

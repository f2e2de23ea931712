//! The node: a small agent that runs the pods of the control plane as native processes.
//!
//! [`Node::start`] watches pods; each has one task ([`pod`]) and each of its containers another. A task reacts
//! to what the API server says, to its process and to its probes, and publishes the status at once.

mod addresses;
mod agent;
mod binding;
mod certificates;
pub(crate) mod env;
mod error;
mod exec;
mod images;
mod kubelet;
mod logs;
mod network;
mod objects;
mod pod;
mod probes;
mod process;
mod register;
mod restart;
mod shared;
mod spec;
mod status;
mod volumes;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::addresses::Addresses;
use self::env::ApiServerAddress;
use self::images::Images;
use self::kubelet::Kubelet;
use self::logs::Logs;
use self::network::{GATEWAY, Networks};
use self::process::Spawner;
use self::shared::Shared;
use self::volumes::Claims;
use super::images::ImageStore;
use crate::environment::{ContainerLog, ExecOutput};
use crate::poll::within;
use crate::storage::Authority;
use crate::toolchain::users;

pub use self::error::NodeError;
pub use self::kubelet::KubeletError;
pub use self::network::NetworkError;
pub use self::process::StartError;

/// The node's name in the API server.
pub const NODE_NAME: &str = "clonedrill";

/// What a node is started with.
pub struct NodeSettings {
    /// With full rights.
    pub client: Client,
    /// Which image a reference stands for.
    pub images: ImageStore,
    /// The bridge that pods are joined to. It has the address 10.244.0.1/16.
    pub bridge: String,
    /// A folder on a tmpfs, the node's own.
    pub state: PathBuf,
    /// The authority that pods trust beside the host's, and that signs the kubelet's certificate.
    pub authority: Authority,
    /// The certificate of the one client that the kubelet answers, the API server's.
    pub kubelet_client_pem: String,
    /// Where pods ask for names.
    pub dns: Ipv4Addr,
    /// The program `clonedrill` itself.
    pub self_exe: PathBuf,
    /// Where pods reach the API server.
    pub api_server: Ipv4Addr,
    /// 443, but in tests.
    pub api_server_port: u16,
}

/// How long the first list of services may take.
const SERVICES: Duration = Duration::from_secs(30);

/// The running node. Dropping it kills all containers.
pub struct Node {
    shared: Arc<Shared>,
    stopping: CancellationToken,
    /// Why the agent has ended.
    ended: watch::Receiver<Option<NodeError>>,
}

impl Node {
    /// Registers the node and begins to run pods.
    ///
    /// # Errors
    /// When there is no such bridge, no such folder, or the API server refuses the node.
    pub async fn start(settings: NodeSettings) -> Result<Node, NodeError> {
        let state = settings.state;
        for folder in ["root", "pods", "claims", "logs", "certificates"] {
            let path = state.join(folder);
            std::fs::create_dir_all(&path).map_err(|source| NodeError::State { path, source })?;
        }
        certificates::write(&state.join("certificates"), settings.authority.certificate_pem())
            .map_err(|source| NodeError::State { path: state.join("certificates"), source })?;
        let kubelet = Kubelet::listen(GATEWAY, &settings.authority, &settings.kubelet_client_pem).await?;
        register::register(&settings.client).await?;
        let (services, following) = agent::follow_services(settings.client.clone());
        let shared = Arc::new(Shared {
            images: Images::new(settings.images),
            many_users: users::are_many_here(),
            dns: settings.dns,
            spawner: Spawner::new(settings.self_exe.clone()),
            own_program: settings.self_exe,
            api_server: ApiServerAddress {
                host: settings.api_server.to_string(),
                port: settings.api_server_port,
            },
            addresses: Addresses::default(),
            networks: Networks::on(&settings.bridge).await?,
            logs: Logs::in_folder(state.join("logs")),
            claims: Claims::in_folder(state.join("claims")),
            client: settings.client,
            services: services.clone(),
            places: Mutex::default(),
            pod_networks: Mutex::default(),
            state,
        });
        let stopping = CancellationToken::new();
        let agent = tokio::spawn(agent::run(
            shared.clone(),
            following,
            kubelet.serve(shared.clone()),
            stopping.clone(),
        ));
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let why = agent.await.unwrap_or_else(|error| NodeError::Ended(format!("the agent: {error}")));
            tell.send_replace(Some(why));
        });
        let listed = within("the list of services", SERVICES, services.wait_until_ready()).await?;
        listed.map_err(|_| NodeError::Stopping)?;
        Ok(Node { shared, stopping, ended })
    }

    /// Waits as long as the node works; why it no longer does.
    pub async fn end(&self) -> NodeError {
        let mut ended = self.ended.clone();
        // The sender ends only after it has said why.
        let _ = ended.wait_for(Option::is_some).await;
        let why = ended.borrow().as_ref().map(ToString::to_string).unwrap_or_default();
        NodeError::Ended(why)
    }

    /// From now on the images of this namespace's pods come from this store first.
    pub fn use_images(&self, namespace: &str, images: ImageStore) {
        self.shared.images.add(namespace, images);
    }

    /// Runs a program in a running container, with the container's environment and working folder.
    ///
    /// # Errors
    /// When no such container is running; not when the program fails or does not exist (code 127).
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        argv: &[String],
    ) -> Result<ExecOutput, NodeError> {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        let place = self.shared.places().get(&key).cloned();
        let Some(place) = place else {
            let (namespace, pod, container) = key;
            return Err(NodeError::NoContainer { namespace, pod, container });
        };
        let container = exec::InContainer { spawner: &self.shared.spawner, place: &place };
        Ok(container.run(argv.to_vec()).await?)
    }

    /// Everything that containers of the namespace printed, oldest attempt first.
    ///
    /// # Errors
    /// When the files cannot be read because the node is stopping.
    pub async fn container_logs(&self, namespace: &str) -> Result<Vec<ContainerLog>, NodeError> {
        let (shared, namespace) = (self.shared.clone(), namespace.to_owned());
        let read = tokio::task::spawn_blocking(move || shared.logs.of_namespace(&namespace));
        read.await.map_err(|_| NodeError::Stopping)
    }

    /// Ends all containers of a namespace at once, with all that runs in them; how many they were. Their pods go on with them.
    pub fn kill_containers(&self, namespace: &str) -> u64 {
        let places = self.shared.places();
        let theirs = places.iter().filter(|((of, _, _), _)| of == namespace);
        let killed = theirs.filter(|(_, place)| {
            // With its first process a container's namespace ends, and with that all its processes.
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(place.init), nix::sys::signal::Signal::SIGKILL)
                .is_ok()
        });
        killed.count() as u64
    }

    /// How much each volume of claims whose names begin with `claims` holds from now on; without a number, all that there is.
    /// How many of those that are there got another limit.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub async fn limit_volumes(
        &self,
        namespace: &str,
        claims: &str,
        mebibytes: Option<u64>,
    ) -> Result<u64, NodeError> {
        let (limits, folder) = (self.shared.claims.clone(), self.shared.state.join("claims"));
        let changed = limits.limit(namespace, claims, mebibytes);
        changed.map_err(|source| NodeError::State { path: folder, source })
    }

    /// Removes the logs of a namespace that is gone; none of its containers starts any more.
    pub async fn forget_namespace(&self, namespace: &str) {
        self.shared.images.remove(namespace);
        let (shared, namespace) = (self.shared.clone(), namespace.to_owned());
        // Fails only when the node is stopping, and then all logs go.
        let _ = tokio::task::spawn_blocking(move || shared.logs.forget(&namespace)).await;
    }

    /// The namespace of the pod that has, or last had, this address.
    pub fn namespace_of(&self, address: IpAddr) -> Option<String> {
        self.shared.addresses.namespace_of(address)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

//! The places of drills: a namespace and a gateway address each, for as long as their connection is open.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::published::Published;
use crate::environment::local::control_plane::ControlPlane;
use crate::environment::local::dns::StorageHosts;
use crate::environment::local::images::ImageStore;
use crate::environment::local::network::Network;
use crate::environment::local::node::Node;
use crate::environment::protocol::{self, Place, Request, Response};
use crate::environment::{EnvironmentError, PLACE_LABEL, door};
use crate::poll::{Limit, Patience};
use crate::secret::Secret;
use crate::storage::Authority;
use crate::toolchain::Tools;

/// The controller makes it within a fraction of a second.
const SERVICE_ACCOUNT: Duration = Duration::from_secs(30);
/// For a removal that the API server refuses for a while.
const REMOVAL: Limit = Limit::seconds(300);

/// Makes and removes places.
pub(super) struct Places {
    control_plane: Arc<ControlPlane>,
    network: Network,
    node: Arc<Node>,
    storage: Arc<StorageHosts>,
    authority: Authority,
    published: Option<Arc<Published>>,
    /// The free ones, that which was given back last at the end.
    gateways: Mutex<VecDeque<Ipv4Addr>>,
}

impl Places {
    pub(super) fn new(
        control_plane: Arc<ControlPlane>,
        network: Network,
        node: Arc<Node>,
        storage: Arc<StorageHosts>,
        authority: Authority,
        published: Option<Arc<Published>>,
    ) -> Self {
        let gateways = (1..=254).map(|last| Ipv4Addr::new(10, 244, 254, last)).collect();
        let gateways = Mutex::new(gateways);
        Places { control_plane, network, node, storage, authority, published, gateways }
    }
}

impl door::Places for Places {
    /// Images of the place's pods are made of `tools`.
    async fn lease(
        &self,
        mut namespaces: Vec<String>,
        tools: Tools,
        from: &mut BufReader<OwnedReadHalf>,
        to: &mut OwnedWriteHalf,
    ) -> Result<(), EnvironmentError> {
        if namespaces.is_empty() {
            namespaces.push(door::namespace());
        }
        if let Some(why) = self.taken(&namespaces).await {
            return protocol::write(to, &Response::Failed { why }).await;
        }
        let mut gateway = None;
        for namespace in &namespaces {
            self.node.use_images(namespace, ImageStore::new(tools.clone()));
        }
        let made = self.make(&namespaces, &mut gateway).await;
        let told = door::held(made, from, to).await;
        // Also of a place that was made only in part.
        self.remove(&namespaces, gateway).await;
        told
    }

    async fn answer(&self, request: Request) -> Result<Response, EnvironmentError> {
        Ok(match request {
            Request::Exec { namespace, pod, container, argv } => {
                Response::Exec { output: self.node.exec(&namespace, &pod, &container, &argv).await? }
            }
            Request::ContainerLogs { namespace } => {
                Response::ContainerLogs { logs: self.node.container_logs(&namespace).await? }
            }
            Request::SetHost { namespace, host, resolves } => {
                self.storage.set(&namespace, &host, resolves);
                Response::Done
            }
            Request::AskedInVain { namespace, host } => {
                Response::Count { count: self.storage.asked_in_vain(&namespace, &host) }
            }
            Request::LimitVolumes { namespace, claims, mebibytes } => {
                Response::Count { count: self.node.limit_volumes(&namespace, &claims, mebibytes).await? }
            }
            Request::KillContainers { namespace } => {
                Response::Count { count: self.node.kill_containers(&namespace) }
            }
            Request::AwaitReady
            | Request::Join { .. }
            | Request::Kubeconfig
            | Request::Keep
            | Request::Down => Response::Done,
        })
    }

    fn kubeconfig(&self) -> Response {
        match &self.published {
            Some(published) => {
                let kubeconfig = self.control_plane.kubeconfig_at(published.address(), published.namespace());
                Response::Kubeconfig { kubeconfig: Secret::new(kubeconfig) }
            }
            None => Response::Failed {
                why: "it is not reached from outside, only what `up` started is".to_owned(),
            },
        }
    }
}

impl Places {
    /// One that exists is another's, and would be removed in the end.
    async fn taken(&self, namespaces: &[String]) -> Option<String> {
        let api = Api::<Namespace>::all(self.control_plane.client());
        for namespace in namespaces {
            match api.get_opt(namespace).await {
                Ok(None) => {}
                Ok(Some(_)) => return Some(format!("take the namespace {namespace}: it exists")),
                Err(error) => return Some(error.to_string()),
            }
        }
        None
    }

    async fn make(
        &self,
        namespaces: &[String],
        gateway: &mut Option<Ipv4Addr>,
    ) -> Result<Place, EnvironmentError> {
        let own = namespaces.first().map(String::as_str).unwrap_or_default();
        for namespace in namespaces {
            let label = (namespace != own).then(|| (PLACE_LABEL.to_owned(), own.to_owned()));
            let metadata = ObjectMeta {
                name: Some(namespace.to_owned()),
                labels: label.map(|label| [label].into()),
                ..ObjectMeta::default()
            };
            let wanted = Namespace { metadata, ..Namespace::default() };
            Api::all(self.control_plane.client()).create(&PostParams::default(), &wanted).await?;
        }
        let address = *gateway.insert(self.take_gateway()?);
        self.network.add_address(address).await?;
        for namespace in namespaces {
            self.storage.add(namespace, address);
            self.wait_for_service_account(namespace).await?;
        }
        Ok(Place {
            namespace: own.to_owned(),
            gateway: address,
            authority: self.authority.to_pem(),
            kubeconfig: Secret::new(self.control_plane.kubeconfig()),
            own: serde_json::Value::Null,
        })
    }

    fn take_gateway(&self) -> Result<Ipv4Addr, EnvironmentError> {
        let free = self.gateways.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        free.ok_or_else(|| {
            EnvironmentError::Connection("give a place: all gateway addresses are in use".to_owned())
        })
    }

    /// The API server refuses pods until the controller has made it.
    async fn wait_for_service_account(&self, namespace: &str) -> Result<(), EnvironmentError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.control_plane.client(), namespace);
        let made =
            kube::runtime::wait::await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
                account.is_some()
            });
        match tokio::time::timeout(SERVICE_ACCOUNT, made).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(EnvironmentError::Connection(error.to_string())),
            Err(_) => Err(self.control_plane.useless_controllers(format!(
                "it has made no service account default in {namespace} within {SERVICE_ACCOUNT:?}"
            ))),
        }
    }

    /// Tries again until it is done, since nobody else would.
    async fn remove(&self, namespaces: &[String], gateway: Option<Ipv4Addr>) {
        let Some(namespace) = namespaces.first() else { return };
        for namespace in namespaces {
            self.storage.remove(namespace);
        }
        let mut patience = Patience::new(format!("the removal of namespace {namespace}"), REMOVAL);
        while let Err(error) = self.remove_objects(namespace).await {
            if let Err(error) = patience.pause(error.to_string()).await {
                tracing::warn!(%error, "a namespace is left behind");
                break;
            }
        }
        self.node.forget_namespace(namespace).await;
        let Some(gateway) = gateway else { return };
        match self.network.remove_address(gateway).await {
            Ok(()) => self.gateways.lock().unwrap_or_else(PoisonError::into_inner).push_back(gateway),
            Err(error) => tracing::warn!(%error, %gateway, "a gateway's address is left behind"),
        }
    }

    /// Those of the place itself and of the namespaces that were made for it.
    async fn remove_objects(&self, place: &str) -> Result<(), kube::Error> {
        let client = self.control_plane.client();
        let namespaces = Api::<Namespace>::all(client.clone());
        let others =
            namespaces.list(&ListParams::default().labels(&format!("{PLACE_LABEL}={place}"))).await?;
        let others = others.into_iter().filter_map(|namespace| namespace.metadata.name);
        for namespace in others.chain([place.to_owned()]) {
            // The namespace first: in one that is ending, no controller can make a pod anew.
            match namespaces.delete(&namespace, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                deleted => drop(deleted?),
            }
            let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
            // Nobody looks at these data again, so nothing needs a clean shutdown.
            pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
            if namespace != place {
                self.node.forget_namespace(&namespace).await;
            }
        }
        Ok(())
    }
}

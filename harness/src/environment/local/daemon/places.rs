//! The places of drills: a namespace and a gateway address each, for as long as their connection is open.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use rand::Rng;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::{self, Place, Request, Response};
use crate::environment::local::dns::StorageHosts;
use crate::environment::local::network::Network;
use crate::environment::local::node::Node;
use crate::environment::{EnvironmentError, PLACE_LABEL};
use crate::poll::TimedOut;
use crate::secret::Secret;
use crate::storage::Authority;

/// The controller makes it within a fraction of a second.
const SERVICE_ACCOUNT: Duration = Duration::from_secs(30);

/// Makes and removes places.
pub struct Places {
    client: kube::Client,
    network: Network,
    node: Arc<Node>,
    storage: Arc<StorageHosts>,
    authority: Authority,
    kubeconfig: String,
    gateways: AtomicU8,
}

impl Places {
    pub fn new(
        client: kube::Client,
        network: Network,
        node: Arc<Node>,
        storage: Arc<StorageHosts>,
        authority: Authority,
        kubeconfig: String,
    ) -> Self {
        Places { client, network, node, storage, authority, kubeconfig, gateways: AtomicU8::new(0) }
    }

    /// Makes a place, tells it, and removes it when the other side has closed.
    ///
    /// # Errors
    /// When the other side has gone before it heard of its place.
    pub async fn lease(
        &self,
        from: &mut BufReader<OwnedReadHalf>,
        to: &mut OwnedWriteHalf,
    ) -> Result<(), EnvironmentError> {
        let place = match self.make().await {
            Ok(place) => place,
            Err(error) => return protocol::write(to, &Response::Failed { why: error.to_string() }).await,
        };
        let namespace = place.namespace.clone();
        let told = protocol::write(to, &Response::Joined(Box::new(place))).await;
        if told.is_ok() {
            // Nothing more is said on this connection: its end is what is waited for.
            let _ = from.read_u8().await;
        }
        self.remove(&namespace).await?;
        told
    }

    /// # Errors
    /// When the node cannot do it.
    pub async fn answer(&self, request: Request) -> Result<Response, EnvironmentError> {
        Ok(match request {
            Request::Exec { namespace, pod, container, argv } => {
                Response::Exec { output: self.node.exec(&namespace, &pod, &container, &argv).await? }
            }
            Request::ContainerLogs { namespace } => {
                Response::ContainerLogs { logs: self.node.container_logs(&namespace).await? }
            }
            Request::ForgetHost { namespace, host } => {
                self.storage.forget(&namespace, &host);
                Response::Done
            }
            Request::AwaitReady | Request::Join | Request::Down => Response::Done,
        })
    }

    async fn make(&self) -> Result<Place, EnvironmentError> {
        let namespace = format!("drill-{:06x}", rand::rng().random_range(0..0x0100_0000));
        let metadata = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let wanted = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client.clone()).create(&PostParams::default(), &wanted).await?;
        let gateway = self.add_gateway().await?;
        self.storage.add(&namespace, gateway);
        self.wait_for_service_account(&namespace).await?;
        Ok(Place {
            namespace,
            gateway,
            authority: self.authority.to_pem(),
            kubeconfig: Secret::new(self.kubeconfig.clone()),
        })
    }

    async fn add_gateway(&self) -> Result<Ipv4Addr, EnvironmentError> {
        let last = self.gateways.fetch_add(1, Ordering::Relaxed);
        if last >= 254 {
            return Err(EnvironmentError::Connection(
                "give a place: this environment has given all of its 254".to_owned(),
            ));
        }
        let gateway = Ipv4Addr::new(10, 244, 254, last + 1);
        self.network.add_address(gateway).await?;
        Ok(gateway)
    }

    /// The API server refuses pods until the controller has made it.
    async fn wait_for_service_account(&self, namespace: &str) -> Result<(), EnvironmentError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let made =
            kube::runtime::wait::await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
                account.is_some()
            });
        match tokio::time::timeout(SERVICE_ACCOUNT, made).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(EnvironmentError::Connection(error.to_string())),
            Err(_) => Err(EnvironmentError::TimedOut(TimedOut {
                what: format!("service account default of {namespace}"),
                after: SERVICE_ACCOUNT,
                last: "the controller has made none".to_owned(),
            })),
        }
    }

    async fn remove(&self, place: &str) -> Result<(), EnvironmentError> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let others =
            namespaces.list(&ListParams::default().labels(&format!("{PLACE_LABEL}={place}"))).await?;
        let others = others.into_iter().filter_map(|namespace| namespace.metadata.name);
        for namespace in others.chain([place.to_owned()]) {
            // The namespace first: in one that is ending, no controller can make a pod anew.
            namespaces.delete(&namespace, &DeleteParams::default()).await?;
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            // Nobody looks at these data again, so nothing needs a clean shutdown.
            pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
            self.node.forget_namespace(&namespace).await;
        }
        self.storage.remove(place);
        Ok(())
    }
}

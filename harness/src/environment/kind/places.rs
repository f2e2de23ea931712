//! The places of drills: a namespace each, for as long as their connection is open.

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::cluster::Cluster;
use super::order::Order;
use super::provided::Provided;
use super::{AUTHORITY, PLACE_LABEL, docker};
use crate::environment::protocol::{Place, Request, Response};
use crate::environment::{EnvironmentError, door};
use crate::poll::{Limit, Patience};
use crate::storage::Authority;
use crate::toolchain::Tools;

/// What a drill makes its own storage of in a kind cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InKind {
    pub cluster: String,
    pub azurite_image: String,
    pub gateway_image: String,
    /// Those in Spilo's image, where it says so.
    pub postgres_majors: Option<Vec<u16>>,
}

/// For what the API server refuses for a while.
const REMOVAL: Limit = Limit::seconds(300);
const SERVICE_ACCOUNT: Limit = Limit::seconds(60);

/// Makes and removes places.
pub(super) struct Places {
    cluster: Cluster,
    order: Order,
    authority: Authority,
    provided: Provided,
    postgres_majors: Option<Vec<u16>>,
}

impl Places {
    pub(super) fn new(
        cluster: Cluster,
        order: Order,
        authority: Authority,
        provided: Provided,
        postgres_majors: Option<Vec<u16>>,
    ) -> Self {
        Places { cluster, order, authority, provided, postgres_majors }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn client(&self) -> Client {
        self.cluster.client.clone()
    }

    async fn make(&self, namespace: &str, tools: &Tools) -> Result<Place, EnvironmentError> {
        self.provided.load(&self.cluster, tools).await?;
        let metadata = ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() };
        let wanted = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client()).create(&PostParams::default(), &wanted).await?;
        let certificate = ("clonedrill.crt".to_owned(), self.authority.certificate_pem().to_owned());
        let trusted = Secret {
            metadata: ObjectMeta { name: Some(AUTHORITY.to_owned()), ..ObjectMeta::default() },
            string_data: Some([certificate].into()),
            ..Secret::default()
        };
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        secrets.create(&PostParams::default(), &trusted).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let mut patience = Patience::new(format!("the service account of {namespace}"), SERVICE_ACCOUNT);
        while accounts.get_opt("default").await?.is_none() {
            patience.pause("no service account `default`".to_owned()).await?;
        }
        let own = serde_json::to_value(InKind {
            cluster: self.order.cluster.clone(),
            azurite_image: self.provided.azurite.clone(),
            gateway_image: self.provided.gateway.clone(),
            postgres_majors: self.postgres_majors.clone(),
        });
        Ok(Place {
            namespace: namespace.to_owned(),
            gateway: std::net::Ipv4Addr::UNSPECIFIED,
            authority: self.authority.to_pem(),
            kubeconfig: self.cluster.kubeconfig.clone(),
            own: own.map_err(|error| EnvironmentError::Connection(error.to_string()))?,
        })
    }

    /// Tries again until it is done, since nobody else would.
    async fn remove(&self, namespace: &str) {
        let mut patience = Patience::new(format!("the removal of namespace {namespace}"), REMOVAL);
        while let Err(error) = self.remove_once(namespace).await {
            if let Err(error) = patience.pause(error.to_string()).await {
                tracing::warn!(%error, "a namespace is left behind");
                break;
            }
        }
    }

    async fn remove_once(&self, namespace: &str) -> Result<(), EnvironmentError> {
        docker::remove_containers(&format!("{PLACE_LABEL}={namespace}")).await?;
        let namespaces = Api::<Namespace>::all(self.client());
        // The namespace first: in one that is ending, no controller can make a pod anew.
        match namespaces.delete(namespace, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            deleted => drop(deleted?),
        }
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        // Nobody looks at these data again, so nothing needs a clean shutdown.
        pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
        Ok(())
    }
}

impl door::Places for Places {
    async fn lease(
        &self,
        namespaces: Vec<String>,
        tools: Tools,
        from: &mut BufReader<OwnedReadHalf>,
        to: &mut OwnedWriteHalf,
    ) -> Result<(), EnvironmentError> {
        let named = namespaces.into_iter().next();
        let namespace = named.unwrap_or_else(door::namespace);
        let told = door::held(self.make(&namespace, &tools).await, from, to).await;
        // Also of a place that was made only in part.
        self.remove(&namespace).await;
        told
    }

    async fn answer(&self, _request: Request) -> Result<Response, EnvironmentError> {
        Err(EnvironmentError::Connection("do that: a drill does it by itself here".to_owned()))
    }

    fn kubeconfig(&self) -> Response {
        Response::Kubeconfig { kubeconfig: self.cluster.kubeconfig.clone() }
    }
}

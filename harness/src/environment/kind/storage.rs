//! A drill's storage in a kind cluster: Azurite beside the nodes, the gateway as a pod before it.

use std::net::{IpAddr, SocketAddr};

use kube::Client;

use super::azurite::AzuriteContainer;
use super::dns;
use super::gateway::{RemoteGateway, Settings};
use crate::environment::protocol::{InKind, Place};
use crate::environment::{EnvironmentError, Requests, Storage, StorageWanted};
use crate::poll::{Limit, Seen, poll};
use crate::storage::{Blobs, StorageError};

/// A kubelet may look at CoreDNS's files a minute later only.
const FORGOTTEN: Limit = Limit::seconds(150);

pub struct KindStorage {
    client: Client,
    namespace: String,
    azurite: AzuriteContainer,
    gateway: RemoteGateway,
}

impl KindStorage {
    pub(super) async fn make(
        wanted: StorageWanted<'_>,
        place: &Place,
        in_kind: &InKind,
        (client, streams): (Client, Client),
    ) -> Result<Self, StorageError> {
        let namespace = place.namespace.as_str();
        let azurite =
            AzuriteContainer::start(&in_kind.azurite_image, &in_kind.cluster, namespace, wanted.accounts)
                .await?;
        for account in wanted.accounts {
            for container in wanted.containers {
                Blobs::new(account, azurite.outside()).make_container(container).await?;
            }
        }
        let settings = Settings {
            upstream: azurite.inside(),
            accounts: wanted.accounts.iter().map(|account| account.name.clone()).collect(),
            authority: place.authority.clone(),
        };
        let image = &in_kind.gateway_image;
        let gateway =
            RemoteGateway::start(&client, streams, namespace, image, &settings, wanted.who_is).await?;
        Ok(KindStorage { client, namespace: namespace.to_owned(), azurite, gateway })
    }
}

impl Storage for KindStorage {
    fn blobs_address(&self) -> SocketAddr {
        self.azurite.outside()
    }

    fn gateway_address(&self) -> IpAddr {
        self.gateway.address()
    }

    fn failed(&self) -> Option<String> {
        self.azurite.failed()
    }

    async fn requests(&self) -> Result<Requests, EnvironmentError> {
        self.gateway.requests().await
    }

    async fn forget_host(&self, host: &str) -> Result<(), EnvironmentError> {
        dns::forget(&self.client, &self.namespace, host).await?;
        let gone = poll(format!("{host} to be forgotten"), FORGOTTEN, async || {
            let found = self.gateway.resolve(host).await?;
            Ok::<_, EnvironmentError>(match found.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("it resolves to {found:?}")),
            })
        });
        gone.await.map_err(EnvironmentError::from)
    }
}

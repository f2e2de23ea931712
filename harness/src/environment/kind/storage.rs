//! A drill's storage in a kind cluster: Azurite beside the nodes, the gateway as a pod before it.

use std::net::{IpAddr, SocketAddr};

use kube::Client;

use super::azurite::AzuriteContainer;
use super::dns;
use super::gateway::{RemoteGateway, Settings};
use super::places::InKind;
use crate::environment::protocol::Place;
use crate::environment::{BlobsWanted, EnvironmentError, Storage, StorageError, StorageWanted};
use crate::poll::{Limit, Seen, poll};
use crate::storage::{Blobs, Requests, Rule, RuleId, RuleState, host_of, is_lost};

/// A kubelet may look at CoreDNS's files a minute later only.
const NOTICED: Limit = Limit::seconds(150);

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
        if wanted.blobs != BlobsWanted::Passing {
            return Err(StorageError::NoArchives(super::DESCRIPTION.name));
        }
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

    async fn keep(&self, _folder: &std::path::Path) -> Result<(), StorageError> {
        Err(StorageError::NoArchives(super::DESCRIPTION.name))
    }

    async fn requests(&self) -> Result<Requests, EnvironmentError> {
        self.gateway.requests().await
    }

    async fn add_rule(&self, rule: Rule) -> Result<RuleId, EnvironmentError> {
        let lost = rule.lost_account().map(host_of);
        let id = self.gateway.add_rule(rule).await?;
        if let Some(host) = lost {
            self.set_host(&host, false).await?;
        }
        Ok(id)
    }

    async fn end_rule(&self, id: RuleId) -> Result<RuleState, EnvironmentError> {
        let ended = self.gateway.end_rule(id).await?;
        if let Some(account) = ended.rule.lost_account()
            && !is_lost(account, &self.gateway.rules().await?)
        {
            self.set_host(&host_of(account), true).await?;
        }
        Ok(ended)
    }

    async fn rules(&self) -> Result<Vec<RuleState>, EnvironmentError> {
        self.gateway.rules().await
    }
}

impl KindStorage {
    /// Whether a host name of an account resolves from now on; returns when pods notice.
    async fn set_host(&self, host: &str, resolves: bool) -> Result<(), EnvironmentError> {
        dns::set(&self.client, &self.namespace, host, resolves).await?;
        let what = if resolves { "resolve again" } else { "be forgotten" };
        let noticed = poll(format!("{host} to {what}"), NOTICED, async || {
            let found = self.gateway.resolve(host).await?;
            Ok::<_, EnvironmentError>(match found.is_empty() != resolves {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("it resolves to {found:?}")),
            })
        });
        noticed.await.map_err(EnvironmentError::from)
    }
}

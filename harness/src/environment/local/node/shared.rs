//! What all tasks of the node share.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::runtime::reflector::Store;

use super::addresses::Addresses;
use super::env::ApiServerAddress;
use super::exec::RunningContainers;
use super::images::Images;
use super::logs::Logs;
use super::network::{Networks, PodNetworks};
use super::process::Spawner;
use super::volumes::Claims;

/// What all tasks of the node share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) images: Images,
    /// Whether the sandbox has more users than one.
    pub(super) many_users: bool,
    pub(super) state: PathBuf,
    pub(super) dns: Ipv4Addr,
    pub(super) own_program: PathBuf,
    pub(super) api_server: ApiServerAddress,
    pub(super) addresses: Addresses,
    pub(super) networks: Networks,
    pub(super) logs: Logs,
    pub(super) claims: Claims,
    pub(super) spawner: Spawner,
    pub(super) services: Store<Service>,
    pub(super) places: Mutex<RunningContainers>,
    pub(super) pod_networks: Mutex<PodNetworks>,
}

impl Shared {
    pub(super) fn places(&self) -> MutexGuard<'_, RunningContainers> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pod_networks(&self) -> MutexGuard<'_, PodNetworks> {
        self.pod_networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn services(&self, namespace: &str) -> Vec<Arc<Service>> {
        let all = self.services.state();
        all.into_iter().filter(|service| service.metadata.namespace.as_deref() == Some(namespace)).collect()
    }
}

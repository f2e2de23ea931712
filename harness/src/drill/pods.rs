//! Whose pod is it: by address for the storage gateway, by name for the logs. Deleted pods stay known.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::task::AbortOnDropHandle;

use crate::observe::logs::Owner;
use crate::storage::Who;

/// The operator's own pods carry this label, from the release's Deployment.
const OPERATOR: (&str, &str) = ("name", "postgres-operator");

/// All pods that the drill's namespace ever had.
pub struct Pods {
    known: Arc<Mutex<Known>>,
    _watcher: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Known {
    owners: BTreeMap<String, Owner>,
    addresses: BTreeMap<IpAddr, Who>,
}

impl Pods {
    /// Starts to watch. `clusters` gives the scenario's short name for a cluster's name in Kubernetes, and
    /// `label` is the label that the operator puts that name into.
    pub fn watch(client: Client, namespace: &str, label: String, clusters: BTreeMap<String, String>) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let api: Api<Pod> = Api::namespaced(client, namespace);
        let into = known.clone();
        let watching = async move {
            let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
            // The watcher begins anew after an error; a watch that ended would leave later pods without an owner.
            let noted = events.for_each(async |event: Result<Pod, watcher::Error>| match event {
                Ok(pod) => note(&into, &pod, &label, &clusters),
                Err(error) => tracing::warn!(%error, "the watch for pods was interrupted"),
            });
            noted.await;
        };
        Pods { known, _watcher: AbortOnDropHandle::new(tokio::spawn(watching)) }
    }

    /// Tells the storage gateway who has an address.
    pub fn who_is(&self) -> crate::storage::WhoIs {
        let known = self.known.clone();
        Arc::new(move |address| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.addresses.get(&address).cloned().unwrap_or(Who::Unknown)
        })
    }

    /// By the pods' names.
    pub fn owners(&self) -> BTreeMap<String, Owner> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).owners.clone()
    }
}

fn note(known: &Mutex<Known>, pod: &Pod, label: &str, clusters: &BTreeMap<String, String>) {
    let labels = pod.labels();
    let cluster = labels.get(label).and_then(|name| clusters.get(name));
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = match cluster {
        Some(cluster) => Owner::Cluster(cluster.clone()),
        None if labels.get(OPERATOR.0).is_some_and(|name| name == OPERATOR.1) => Owner::Operator,
        None => Owner::Pod(pod.name_any()),
    };
    known.owners.insert(pod.name_any(), owner);
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
    if let (Some(address), Some(cluster)) = (address, cluster) {
        known.addresses.insert(address, Who::Cluster(cluster.clone()));
    }
}

//! Whose pod is it: by address for the storage gateway, by name for the logs. Deleted pods stay known.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::task::AbortOnDropHandle;

use crate::environment::ContainerLog;
use crate::observe::logs::Owner;
use crate::storage::{Asker, Who};

/// The operator's own pods carry this label, from the release's Deployment.
const OPERATOR: (&str, &str) = ("name", "postgres-operator");

/// All pods that the drill's namespace ever had.
pub(super) struct Pods {
    known: Arc<Mutex<Known>>,
    _watcher: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Known {
    /// The scenario's short name for what a cluster's name in Kubernetes stands for by now.
    clusters: BTreeMap<String, String>,
    /// By name, all pods that had it, one after the other: their uids and owners.
    owners: BTreeMap<String, Vec<(String, Owner)>>,
    addresses: BTreeMap<IpAddr, Asker>,
}

impl Pods {
    /// Starts to watch. `label` is the label that the operator puts a cluster's name into.
    pub(super) fn watch(client: Client, namespace: &str, label: String) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let api: Api<Pod> = Api::namespaced(client, namespace);
        let into = known.clone();
        let watching = async move {
            let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
            // The watcher begins anew after an error; a watch that ended would leave later pods without an owner.
            let noted = events.for_each(async |event: Result<Pod, watcher::Error>| match event {
                Ok(pod) => note(&into, &pod, &label),
                Err(error) => tracing::warn!(%error, "the watch for pods was interrupted"),
            });
            noted.await;
        };
        Pods { known, _watcher: AbortOnDropHandle::new(tokio::spawn(watching)) }
    }

    /// Tells the storage gateway who has an address.
    pub(super) fn who_is(&self) -> crate::storage::WhoIs {
        let known = self.known.clone();
        Arc::new(move |address| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.addresses.get(&address).cloned().unwrap_or_else(Asker::unknown)
        })
    }

    /// From now on a cluster of this name in Kubernetes is the one that the scenario calls `short`.
    pub(super) fn name(&self, name: &str, short: &str) {
        self.known().clusters.insert(name.to_owned(), short.to_owned());
    }

    /// By the pods' names; of several that had one name, the later ones are called as [`Pods::tell_apart`] does.
    pub(super) fn owners(&self) -> BTreeMap<String, Owner> {
        let known = self.known();
        let all = known.owners.iter().flat_map(|(name, pods)| {
            pods.iter().enumerate().map(|(index, (_, owner))| (nth(name, index), owner.clone()))
        });
        all.collect()
    }

    /// What the pod that has this name by now is called among all.
    pub(super) fn latest(&self, name: &str) -> String {
        nth(name, self.known().owners.get(name).map_or(0, |pods| pods.len().saturating_sub(1)))
    }

    /// Gives logs of pods that had one name after the other names of their own. A pod that went before its container began
    /// has no log, so that they are not counted by their logs.
    pub(super) fn tell_apart(&self, logs: Vec<ContainerLog>) -> Vec<ContainerLog> {
        let known = self.known();
        let index = |log: &ContainerLog| {
            let pods = known.owners.get(&log.pod).map_or(&[][..], Vec::as_slice);
            // The watch may hear of the newest one in a moment.
            pods.iter().position(|(uid, _)| *uid == log.uid).unwrap_or(pods.len())
        };
        logs.into_iter().map(|log| ContainerLog { pod: nth(&log.pod, index(&log)), ..log }).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nth(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}~{}", index + 1) }
}

fn note(known: &Mutex<Known>, pod: &Pod, label: &str) {
    let labels = pod.labels();
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let uid = pod.uid().unwrap_or_default();
    let pods = known.owners.get(&pod.name_any());
    let seen = pods.and_then(|pods| pods.iter().find(|(of, _)| *of == uid)).map(|(_, owner)| owner.clone());
    // Whose it is was settled when it was first seen: its cluster's name may be another one's by now.
    let owner =
        seen.clone().unwrap_or_else(|| match labels.get(label).and_then(|name| known.clusters.get(name)) {
            Some(cluster) => Owner::Cluster(cluster.clone()),
            None if labels.get(OPERATOR.0).is_some_and(|name| name == OPERATOR.1) => Owner::Operator,
            None => Owner::Pod(pod.name_any()),
        });
    if seen.is_none() {
        known.owners.entry(pod.name_any()).or_default().push((uid, owner.clone()));
    }
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
    let Some(address) = address else { return };
    let pod = Some(pod.name_any());
    match owner {
        Owner::Cluster(cluster) => {
            known.addresses.insert(address, Asker { who: Who::Cluster(cluster), pod });
        }
        // One that has ended still tells its address, which may be a cluster's by now.
        Owner::Operator | Owner::Pod(_) => {
            known.addresses.entry(address).or_insert(Asker { who: Who::Unknown, pod });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_stays_its_clusters_when_its_name_goes_on_to_another() {
        let known = Arc::new(Mutex::new(Known::default()));
        let pods = Pods { known: known.clone(), _watcher: AbortOnDropHandle::new(tokio_idle()) };
        let pod = |uid: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "name": "acid-orders-0", "uid": uid, "labels": { "cluster-name": "acid-orders" } }
            }))
            .unwrap_or_default()
        };
        pods.name("acid-orders", "source");
        note(&known, &pod("u1"), "cluster-name");
        pods.name("acid-orders", "restored");
        note(&known, &pod("u1"), "cluster-name");
        note(&known, &pod("u2"), "cluster-name");
        let owner = |short: &str| Owner::Cluster(short.to_owned());
        let expected = [("acid-orders-0", "source"), ("acid-orders-0~2", "restored")];
        let expected = expected.map(|(pod, short)| (pod.to_owned(), owner(short)));
        assert_eq!(pods.owners(), BTreeMap::from(expected));
        assert_eq!(pods.latest("acid-orders-0"), "acid-orders-0~2");
    }

    fn tokio_idle() -> tokio::task::JoinHandle<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.map(|runtime| runtime.spawn(async {})).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn logs_of_pods_with_one_name_are_told_apart() {
        let owner = |uid: &str| (uid.to_owned(), Owner::Cluster("clone".to_owned()));
        // The second one went before its container began.
        let of_name = ["u1", "u2", "u3"].map(owner).to_vec();
        let known = Known { owners: BTreeMap::from([("db-0".to_owned(), of_name)]), ..Known::default() };
        let pods =
            Pods { known: Arc::new(Mutex::new(known)), _watcher: AbortOnDropHandle::new(tokio_idle()) };
        let log = |uid: &str, attempt: u32| ContainerLog {
            pod: "db-0".to_owned(),
            uid: uid.to_owned(),
            container: "postgres".to_owned(),
            attempt,
            text: uid.to_owned(),
        };
        let logs = pods.tell_apart(vec![log("u1", 0), log("u1", 1), log("u3", 0), log("u4", 0)]);
        let named: Vec<_> = logs.iter().map(|log| (log.pod.as_str(), log.text.as_str())).collect();
        assert_eq!(named, [("db-0", "u1"), ("db-0", "u1"), ("db-0~3", "u3"), ("db-0~4", "u4")]);
        assert_eq!(pods.latest("db-0"), "db-0~3");
    }
}

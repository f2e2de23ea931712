//! Following what the operator writes: StatefulSets as they first appear, and the states of clusters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio_util::task::AbortOnDropHandle;

use crate::operator::postgresql_kind;

/// Namespace and name on the control plane.
pub(super) type Key = (String, String);

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// As each was when it was seen first.
    pub sets: HashMap<Key, DynamicObject>,
    /// `status.PostgresClusterStatus` of each `postgresql` object.
    pub states: HashMap<Key, String>,
}

/// Watches some namespaces until it is dropped.
pub(super) struct Follower {
    seen: Arc<Mutex<Seen>>,
    _watching: Vec<AbortOnDropHandle<()>>,
}

impl Follower {
    pub(super) fn start<'n>(client: &Client, namespaces: impl Iterator<Item = &'n str>) -> Follower {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watching = namespaces.flat_map(|namespace| {
            let sets = seen.clone();
            let states = seen.clone();
            [
                follow(client, namespace, &stateful_sets(), move |key, object| {
                    lock(&sets).sets.entry(key).or_insert(object);
                }),
                follow(client, namespace, &postgresql_kind(), move |key, object| {
                    let state = object.data["status"]["PostgresClusterStatus"].as_str();
                    if let Some(state) = state {
                        lock(&states).states.insert(key, state.to_owned());
                    }
                }),
            ]
        });
        let watching = watching.collect();
        Follower { seen, _watching: watching }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Objects as they come; what becomes of one that is deleted nobody asks.
fn follow(
    client: &Client,
    namespace: &str,
    resource: &ApiResource,
    mut take: impl FnMut(Key, DynamicObject) + Send + 'static,
) -> AbortOnDropHandle<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
    AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => {
                    let key = (object.namespace().unwrap_or_default(), object.name_any());
                    take(key, object);
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "follow what the operator writes"),
            }
        }
    }))
}

pub(super) fn stateful_sets() -> ApiResource {
    ApiResource {
        group: StatefulSet::group(&()).into_owned(),
        version: StatefulSet::version(&()).into_owned(),
        api_version: StatefulSet::api_version(&()).into_owned(),
        kind: StatefulSet::kind(&()).into_owned(),
        plural: StatefulSet::plural(&()).into_owned(),
    }
}

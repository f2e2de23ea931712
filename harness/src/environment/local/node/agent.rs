//! Watching pods and services: each pod that is ours gets a task, and the task all news of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::pod::{self, Known};
use super::{NodeError, Shared, binding};

/// How long the first list of services may take.
const SERVICES: Duration = Duration::from_secs(30);

/// Keeps the services of all namespaces at hand.
pub(super) async fn follow_services(
    client: Client,
    stopping: CancellationToken,
) -> Result<Store<Service>, NodeError> {
    let (store, writer) = reflector::store::<Service>();
    let api = Api::<Service>::all(client);
    let mut stream =
        Box::pin(reflector::reflector(writer, watcher(api, watcher::Config::default()).default_backoff()));
    tokio::spawn(stopping.run_until_cancelled_owned(async move { while stream.next().await.is_some() {} }));
    let listed = tokio::time::timeout(SERVICES, store.wait_until_ready()).await;
    match listed {
        Ok(Ok(())) => Ok(store),
        _ => Err(NodeError::TimedOut(crate::poll::TimedOut {
            what: "the list of services".to_owned(),
            after: SERVICES,
            last: "no answer".to_owned(),
        })),
    }
}

/// Runs pods until the node stops.
pub(super) async fn run(shared: Arc<Shared>, stopping: CancellationToken) {
    let mut agent =
        Agent { shared: shared.clone(), pods: HashMap::new(), listed: HashSet::new(), tasks: JoinSet::new() };
    let claims = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(
        shared.claims.clone().follow(shared.client.clone()),
    ));
    let api = Api::<Pod>::all(shared.client.clone());
    let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(ended) = agent.tasks.join_next() => agent.forget(ended),
            event = events.next() => match event {
                Some(Ok(event)) => agent.take(event),
                Some(Err(error)) => tracing::debug!(%error, "watch pods"),
                None => break,
            },
        }
    }
    drop(claims);
    // Containers die with the tasks that hold them.
    agent.tasks.shutdown().await;
}

struct Agent {
    shared: Arc<Shared>,
    /// By uid.
    pods: HashMap<String, watch::Sender<Known>>,
    /// The uids of the list that is being received.
    listed: HashSet<String>,
    tasks: JoinSet<String>,
}

impl Agent {
    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.apply(pod);
            }
            Event::InitDone => {
                // Deletions that were missed while the watch was broken.
                for (_, sender) in self.pods.iter().filter(|(uid, _)| !self.listed.contains(*uid)) {
                    sender.send_modify(|known| known.gone = true);
                }
            }
            Event::Apply(pod) => self.apply(pod),
            Event::Delete(pod) => {
                let sender = pod.metadata.uid.as_ref().and_then(|uid| self.pods.get(uid));
                if let Some(sender) = sender {
                    sender.send_modify(|known| known.gone = true);
                }
            }
        }
    }

    fn apply(&mut self, pod: Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let pod = Arc::new(pod);
        if let Some(sender) = self.pods.get(&uid) {
            sender.send_modify(|known| known.pod = pod);
            return;
        }
        if !binding::is_ours(&pod) {
            return;
        }
        let (sender, receiver) = watch::channel(Known { pod: pod.clone(), gone: false });
        self.pods.insert(uid.clone(), sender);
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            pod::run(shared, pod, receiver).await;
            uid
        });
    }

    fn forget(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(uid) => drop(self.pods.remove(&uid)),
            Err(error) => tracing::error!(%error, "a pod's task ended"),
        }
    }
}

//! Watching pods and services: each pod that is ours gets a task, and the task all news of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::binding;
use super::error::NodeError;
use super::pod::{self, Known};
use super::shared::Shared;

/// The services of all namespaces, and what keeps them at hand for as long as it is polled.
pub(super) fn follow_services(client: Client) -> (Store<Service>, impl Future<Output = ()> + Send + 'static) {
    let (store, writer) = reflector::store::<Service>();
    let events = watcher(Api::<Service>::all(client), watcher::Config::default()).default_backoff();
    let stream = reflector::reflector(writer, events);
    (store, stream.for_each(|_| std::future::ready(())))
}

/// Runs pods until the node stops, or until a part of it ends, which none should.
pub(super) async fn run(
    shared: Arc<Shared>,
    services: impl Future<Output = ()> + Send + 'static,
    kubelet: impl Future<Output = NodeError> + Send + 'static,
    stopping: CancellationToken,
) -> NodeError {
    let mut agent =
        Agent { shared: shared.clone(), pods: HashMap::new(), listed: HashSet::new(), tasks: JoinSet::new() };
    let mut others = JoinSet::new();
    others.spawn(async move {
        services.await;
        NodeError::Ended("the watch of services".to_owned())
    });
    others.spawn(kubelet);
    let (claims, client) = (shared.claims.clone(), shared.client.clone());
    others.spawn(async move {
        claims.follow(client).await;
        NodeError::Ended("the watch of claims".to_owned())
    });
    let api = Api::<Pod>::all(shared.client.clone());
    let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
    let ended = loop {
        tokio::select! {
            () = stopping.cancelled() => break NodeError::Stopping,
            Some(ended) = agent.tasks.join_next() => match ended {
                Ok(uid) => drop(agent.pods.remove(&uid)),
                // What the API server says of its pod would never change again.
                Err(error) => break NodeError::Ended(format!("a pod's task: {error}")),
            },
            Some(ended) = others.join_next() => break match ended {
                Ok(why) => why,
                Err(error) => NodeError::Ended(error.to_string()),
            },
            event = events.next() => match event {
                Some(Ok(event)) => agent.take(event),
                Some(Err(error)) => tracing::debug!(%error, "watch pods"),
                None => break NodeError::Ended("the watch of pods".to_owned()),
            },
        }
    };
    // Containers die with the tasks that hold them.
    agent.tasks.shutdown().await;
    ended
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
}

//! All that a drill's containers print, followed from their start by the API server's word alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, future};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::task::AbortOnDropHandle;

use super::PART_LABEL;
use crate::environment::cluster::{ContainerLines, Line, PodLogs, parse_line};
use crate::environment::{ContainerLog, EnvironmentError};

/// Follows the logs of a namespace until it is dropped.
pub(super) struct NamespaceLogs {
    pods: Api<Pod>,
    followed: Arc<Mutex<Followed>>,
    _watching: AbortOnDropHandle<()>,
}

struct Followed {
    logs: PodLogs,
    /// The UIDs of pods in the order in which they were first seen.
    order: Vec<String>,
}

impl Followed {
    fn see(&mut self, pod: &Pod) {
        if pod.labels().contains_key(PART_LABEL) {
            return;
        }
        let uid = pod.uid().unwrap_or_default();
        if !self.order.contains(&uid) {
            self.order.push(uid);
        }
        self.logs.follow(std::slice::from_ref(pod));
    }
}

impl NamespaceLogs {
    /// `streams` is a client whose requests may go on for ever.
    pub(super) fn follow(client: Client, streams: Client, namespace: &str) -> Self {
        let logs = PodLogs::new(streams, namespace, &[]);
        let followed = Arc::new(Mutex::new(Followed { logs, order: Vec::new() }));
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let (into, watched) = (followed.clone(), pods.clone());
        let watching = async move {
            let events = watcher(watched, watcher::Config::default()).default_backoff().applied_objects();
            let seen = events.for_each(|event| {
                match event {
                    Ok(pod) => locked(&into).see(&pod),
                    Err(error) => tracing::warn!(%error, "the watch for logs was interrupted"),
                }
                future::ready(())
            });
            seen.await;
        };
        NamespaceLogs { pods, followed, _watching: AbortOnDropHandle::new(tokio::spawn(watching)) }
    }

    /// All of it until now, the pods in the order in which they came. What is followed may be a moment behind: of what
    /// still is there, the rest is read here.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub(super) async fn all(&self) -> Result<Vec<ContainerLog>, EnvironmentError> {
        let pods = self.pods.list(&ListParams::default()).await?.items;
        let (mut lines, order) = {
            let mut followed = locked(&self.followed);
            pods.iter().for_each(|pod| followed.see(pod));
            (followed.logs.by_pod(), followed.order.clone())
        };
        let current: Vec<((String, String, i32), String)> = pods
            .iter()
            .filter(|pod| !pod.labels().contains_key(PART_LABEL))
            .flat_map(|pod| started(pod).map(|key| (key, pod.name_any())))
            .collect();
        let rests = current.into_iter().map(|(key, pod)| {
            let last = lines.get(&key).and_then(|known: &ContainerLines| known.lines.last()?.time);
            async move {
                let rest = self.rest(&pod, &key.1, last).await?;
                Ok::<_, EnvironmentError>((key, pod, rest))
            }
        });
        for (key, pod, rest) in future::try_join_all(rests).await? {
            let (container, attempt) = (key.1.clone(), key.2);
            let known = lines.entry(key).or_insert_with(|| ContainerLines {
                pod,
                container,
                attempt,
                lines: Vec::new(),
                left_out: 0,
            });
            known.lines.extend(rest);
        }
        Ok(ordered(lines, &order))
    }

    /// What a container that is there has printed since.
    async fn rest(
        &self,
        pod: &str,
        container: &str,
        last: Option<Timestamp>,
    ) -> Result<Vec<Line>, EnvironmentError> {
        let params = LogParams {
            container: Some(container.to_owned()),
            timestamps: true,
            since_time: last,
            ..LogParams::default()
        };
        match self.pods.logs(pod, &params).await {
            Ok(text) => {
                let lines = text.lines().map(parse_line);
                // `sinceTime` counts whole seconds.
                Ok(lines.filter(|line| line.time.is_none() || line.time > last).collect())
            }
            // It has just gone, or its container is between two attempts.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn locked(followed: &Mutex<Followed>) -> MutexGuard<'_, Followed> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The attempts that a pod's containers are at and that have begun.
fn started(pod: &Pod) -> impl Iterator<Item = (String, String, i32)> {
    let uid = pod.uid().unwrap_or_default();
    let statuses = pod
        .status
        .iter()
        .flat_map(|status| status.init_container_statuses.iter().chain(&status.container_statuses).flatten());
    let begun = statuses.filter(|status| {
        let state = status.state.as_ref();
        state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    });
    begun.map(move |status| (uid.clone(), status.name.clone(), status.restart_count))
}

fn ordered(lines: BTreeMap<(String, String, i32), ContainerLines>, order: &[String]) -> Vec<ContainerLog> {
    let place = |uid: &str| order.iter().position(|known| known == uid).unwrap_or(order.len());
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|((uid, container, attempt), _)| (place(uid), container.clone(), *attempt));
    let logs = lines.into_iter().map(|((uid, ..), lines)| ContainerLog {
        uid,
        attempt: u32::try_from(lines.attempt).unwrap_or_default(),
        text: lines.lines.iter().map(|line| format!("{}\n", line.text)).collect(),
        pod: lines.pod,
        container: lines.container,
    });
    logs.collect()
}

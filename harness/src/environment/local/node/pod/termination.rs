//! The end of a pod: when its containers have to stop, and when its object may go.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};
use tokio::sync::watch;

use crate::poll::{Limit, Patience};

/// What the API server last said of a pod.
#[derive(Debug, Clone)]
pub(in super::super) struct Known {
    pub pod: Arc<Pod>,
    /// Its object no longer exists.
    pub gone: bool,
}

/// Whether containers have to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    No,
    /// SIGTERM, and SIGKILL after the grace.
    Within(Duration),
}

/// What kubelet leaves to containers of a pod whose object was removed by force.
const GRACE_WHEN_GONE: Duration = Duration::from_secs(1);

pub(super) fn stop_for(known: &Known) -> Stop {
    if known.gone {
        return Stop::Within(GRACE_WHEN_GONE);
    }
    let metadata = &known.pod.metadata;
    match (&metadata.deletion_timestamp, metadata.deletion_grace_period_seconds) {
        (None, _) => Stop::No,
        (Some(_), grace) => {
            Stop::Within(Duration::from_secs(u64::try_from(grace.unwrap_or(30)).unwrap_or(0)))
        }
    }
}

/// Turns a pod's deletion into the containers' stop; a second deletion may shorten the grace.
pub(super) async fn follow_deletion(mut known: watch::Receiver<Known>, stop: watch::Sender<Stop>) {
    loop {
        let wanted = stop_for(&known.borrow_and_update());
        stop.send_if_modified(|now| {
            let change = *now != wanted && wanted != Stop::No;
            if change {
                *now = wanted;
            }
            change
        });
        if known.changed().await.is_err() {
            return;
        }
    }
}

/// Kubelet looks every 100 ms whether a pod's volumes are gone, and only then lets its object go. Who watches pods counts on
/// the gap: the operator misses a deletion that comes together with the last change of the status, and waits ten minutes.
const RECLAIMS: Duration = Duration::from_millis(150);

/// Waits until the pod is to be deleted, and lets its object go.
pub(super) async fn finish(client: &Client, mut known: watch::Receiver<Known>, pod: &Pod) {
    // The sender is gone when the node stops: nothing to finish then.
    if known.wait_for(|known| stop_for(known) != Stop::No).await.is_err() || known.borrow().gone {
        return;
    }
    let gone = tokio::time::timeout(RECLAIMS, known.wait_for(|known| known.gone).map(|_| ()));
    if gone.await.is_ok() {
        return;
    }
    let api: Api<Pod> =
        Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
    let parameters = DeleteParams::default().grace_period(0).preconditions(preconditions);
    let mut patience = Patience::new("a pod's removal", Limit::seconds(60));
    loop {
        let error = match api.delete(name, &parameters).await {
            Ok(_) => return,
            // Gone already, or another pod has the name by now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
            Err(error) => error.to_string(),
        };
        if let Err(error) = patience.pause(error).await {
            tracing::warn!(%error, name, "remove a pod");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_gives_its_grace_and_a_removal_by_force_hardly_any() {
        let known = |metadata: serde_json::Value, gone| {
            let pod = serde_json::from_value(serde_json::json!({ "metadata": metadata })).unwrap();
            Known { pod: Arc::new(pod), gone }
        };
        let deleted = serde_json::json!({
            "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5 });
        assert_eq!(stop_for(&known(serde_json::json!({}), false)), Stop::No);
        assert_eq!(stop_for(&known(deleted.clone(), false)), Stop::Within(Duration::from_secs(5)));
        assert_eq!(stop_for(&known(deleted, true)), Stop::Within(Duration::from_secs(1)));
    }
}

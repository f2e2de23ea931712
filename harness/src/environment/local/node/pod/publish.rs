//! Writing a pod's status: as soon as something changes, only what is ours, always the latest.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use super::super::status::PodView;
use super::Known;
use crate::poll::{Limit, Patience};

/// Publishes each view until the pod is gone. Views that come while one is being written are folded into the last.
pub(super) async fn publish(
    client: Client,
    known: watch::Receiver<Known>,
    mut views: watch::Receiver<PodView>,
) {
    let (name, uid, api) = {
        let known = known.borrow();
        let metadata = &known.pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(client, namespace);
        (metadata.name.clone().unwrap_or_default(), metadata.uid.clone(), api)
    };
    let mut conditions = Vec::new();
    loop {
        let status = {
            let (view, known) = (views.borrow_and_update(), known.borrow());
            view.status(&known.pod, &conditions, Timestamp::now())
        };
        conditions = status.conditions.clone().unwrap_or_default();
        // With the uid, so that a successor of the same name never gets our status.
        let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "status": status }));
        write(&api, &name, &patch).await;
        if views.changed().await.is_err() {
            return;
        }
    }
}

async fn write(api: &Api<Pod>, name: &str, patch: &Patch<serde_json::Value>) {
    let mut patience = Patience::new("write a pod's status", Limit::seconds(60));
    loop {
        let error = match api.patch_status(name, &PatchParams::default(), patch).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {
                tracing::debug!(name, message = status.message, "the pod's status is no longer wanted");
                return;
            }
            Err(error) => error.to_string(),
        };
        if let Err(error) = patience.pause(error).await {
            tracing::warn!(name, %error, "a pod's status could not be written");
            return;
        }
    }
}

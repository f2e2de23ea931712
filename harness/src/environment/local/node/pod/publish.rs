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
    mut known: watch::Receiver<Known>,
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
    let mut written = None;
    loop {
        let status = {
            let (view, known) = (views.borrow_and_update(), known.borrow_and_update());
            view.status(&known.pod, &conditions, Timestamp::now())
        };
        conditions = status.conditions.clone().unwrap_or_default();
        if written.as_ref() != Some(&status) {
            let mut patch = json!({ "metadata": { "uid": uid }, "status": status });
            // What is left out of a patch stays, also what no longer stands in the way.
            if status.message.is_none() {
                patch["status"]["message"] = serde_json::Value::Null;
            }
            if !write(&api, &name, uid.as_deref(), &Patch::Merge(patch)).await {
                return;
            }
            written = Some(status);
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            // Others close and open a pod's readiness gates.
            changed = known.changed() => if changed.is_err() { return },
        }
    }
}

/// Tries again until it is done; false when the pod is no longer there.
async fn write(api: &Api<Pod>, name: &str, uid: Option<&str>, patch: &Patch<serde_json::Value>) -> bool {
    let mut patience = Patience::new("write a pod's status", Limit::seconds(60));
    loop {
        let error = match api.patch_status(name, &PatchParams::default(), patch).await {
            Ok(_) => return true,
            Err(kube::Error::Api(status)) if status.code == 404 => return false,
            // Either a successor has the name, whose status is not ours, or somebody wrote in the same moment.
            Err(kube::Error::Api(status)) if status.code == 409 => match api.get_opt(name).await {
                Ok(None) => return false,
                Ok(Some(found)) if found.metadata.uid.as_deref() != uid => return false,
                Ok(Some(_)) | Err(_) => status.message,
            },
            Err(error) => error.to_string(),
        };
        if let Err(error) = patience.pause(error).await {
            tracing::warn!(name, %error, "a pod's status could not be written");
            return true;
        }
    }
}

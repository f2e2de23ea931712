//! Persistent volume claims: a folder each, bound at once, kept until the claim is gone.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::{fs, io};

use futures::StreamExt;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinSet;

use super::VolumeError;
use crate::poll::{Limit, Patience};

/// Longer than a container may take to stop.
const REMOVAL: Limit = Limit::seconds(60);

/// The folders of all claims.
#[derive(Debug, Clone)]
pub(in super::super) struct Claims {
    folder: PathBuf,
}

impl Claims {
    pub(in super::super) fn in_folder(folder: PathBuf) -> Self {
        Claims { folder }
    }

    /// The folder of a claim. One that has the same name as one that was deleted gets another folder.
    pub(super) async fn folder(
        &self,
        client: &Client,
        namespace: &str,
        volume: &str,
        claim: &str,
    ) -> Result<PathBuf, VolumeError> {
        let found =
            Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace).get_opt(claim).await?;
        let Some(uid) = found.and_then(|found| found.metadata.uid) else {
            return Err(VolumeError::MissingClaim { volume: volume.to_owned(), claim: claim.to_owned() });
        };
        let folder = self.folder.join(uid);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)))
            .map_err(|source| VolumeError::File { volume: volume.to_owned(), source })?;
        Ok(folder)
    }

    /// Binds claims and answers resizes as they appear, and removes the data of those that go. Never ends.
    pub(in super::super) async fn follow(self, client: Client) {
        let api = Api::<PersistentVolumeClaim>::all(client.clone());
        let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        // Folders whose claims a list that is being received has not named; they were there before it was asked for.
        let mut unnamed = HashSet::new();
        let mut removals = JoinSet::new();
        while let Some(event) = events.next().await {
            while removals.try_join_next().is_some() {}
            match event {
                Ok(event @ (Event::Apply(_) | Event::InitApply(_))) => {
                    let listing = matches!(event, Event::InitApply(_));
                    let (Event::Apply(claim) | Event::InitApply(claim)) = event else { continue };
                    if listing {
                        unnamed.remove(OsStr::new(claim.metadata.uid.as_deref().unwrap_or_default()));
                    }
                    if let Some(status) = wanted_status(&claim) {
                        bind(&client, &claim, status).await;
                    }
                }
                Ok(Event::Delete(claim)) => {
                    if let Some(uid) = claim.metadata.uid {
                        removals.spawn(remove(self.folder.join(uid)));
                    }
                }
                Ok(Event::Init) => {
                    let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
                    unnamed = folders.map(|folder| folder.file_name()).collect();
                }
                // Deletions that were missed while the watch was broken.
                Ok(Event::InitDone) => {
                    for uid in unnamed.drain() {
                        removals.spawn(remove(self.folder.join(uid)));
                    }
                }
                Err(error) => tracing::debug!(%error, "watch claims"),
            }
        }
    }
}

/// Tries again while a container that is being stopped still writes into it.
async fn remove(folder: PathBuf) {
    let mut patience = Patience::new(format!("the removal of {}", folder.display()), REMOVAL);
    loop {
        let error = match fs::remove_dir_all(&folder) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => error,
        };
        if let Err(error) = patience.pause(error.to_string()).await {
            // It goes with the tmpfs.
            tracing::warn!(%error, "a claim's data stay");
            return;
        }
    }
}

async fn bind(client: &Client, claim: &PersistentVolumeClaim, status: serde_json::Value) {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({ "metadata": { "uid": claim.metadata.uid }, "status": status }));
    if let Err(error) = api.patch_status(name, &PatchParams::default(), &patch).await {
        tracing::debug!(%error, namespace, name, "bind a claim");
    }
}

/// The status that says that the claim has what it asks for; `None` when it says so already.
fn wanted_status(claim: &PersistentVolumeClaim) -> Option<serde_json::Value> {
    let spec = claim.spec.as_ref()?;
    let asked = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref())?;
    let status = claim.status.as_ref();
    let bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound");
    let has = status.and_then(|status| status.capacity.as_ref());
    if bound && has.and_then(|has| has.get("storage")) == asked.get("storage") {
        return None;
    }
    Some(json!({ "phase": "Bound", "accessModes": spec.access_modes, "capacity": asked }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(asks: &str, status: serde_json::Value) -> PersistentVolumeClaim {
        let spec =
            json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": asks } } });
        serde_json::from_value(json!({ "metadata": { "name": "c" }, "spec": spec, "status": status }))
            .unwrap()
    }

    #[test]
    fn a_claim_is_bound_once_and_again_when_it_asks_for_more() {
        let bound = json!({ "phase": "Bound", "capacity": { "storage": "1Gi" } });
        assert_eq!(wanted_status(&claim("1Gi", bound.clone())), None);
        assert_eq!(wanted_status(&claim("2Gi", bound)).unwrap()["capacity"]["storage"], "2Gi");
        let status = wanted_status(&claim("1Gi", json!({ "phase": "Pending" }))).unwrap();
        assert_eq!(status["phase"], "Bound");
        assert_eq!(status["accessModes"], json!(["ReadWriteOnce"]));
    }
}

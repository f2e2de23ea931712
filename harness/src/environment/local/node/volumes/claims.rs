//! Persistent volume claims: a folder each, bound at once, kept until the claim is gone.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use futures::StreamExt;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
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
    limits: Arc<Mutex<Vec<VolumeLimit>>>,
}

/// How much some claims' volumes hold. Each is a file system of its own then.
#[derive(Debug)]
struct VolumeLimit {
    namespace: String,
    /// What the claims' names begin with.
    claims: String,
    mebibytes: Option<u64>,
    /// Those that are made.
    folders: Vec<PathBuf>,
}

/// More than there ever is; of a file system that once had a limit.
const NO_LIMIT: &str = "size=0,nr_inodes=0";

impl Claims {
    pub(in super::super) fn in_folder(folder: PathBuf) -> Self {
        Claims { folder, limits: Arc::default() }
    }

    /// Claims of the namespace whose names begin so get volumes of this size from now on; those of them that have one
    /// already get another, and are counted.
    pub(in super::super) fn limit(
        &self,
        namespace: &str,
        claims: &str,
        mebibytes: Option<u64>,
    ) -> io::Result<u64> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) =
            limits.iter_mut().find(|limit| limit.namespace == namespace && limit.claims == claims)
        else {
            let (namespace, claims) = (namespace.to_owned(), claims.to_owned());
            limits.push(VolumeLimit { namespace, claims, mebibytes, folders: Vec::new() });
            return Ok(0);
        };
        known.mebibytes = mebibytes;
        for folder in &known.folders {
            mount_limited(folder, mebibytes, MsFlags::MS_REMOUNT)?;
        }
        Ok(known.folders.len() as u64)
    }

    /// Makes the new folder of a claim a file system of its own where the claim has a limit.
    fn made(&self, namespace: &str, claim: &str, folder: &Path) -> io::Result<()> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let limit =
            limits.iter_mut().find(|limit| limit.namespace == namespace && claim.starts_with(&limit.claims));
        let Some(limit) = limit.filter(|limit| limit.mebibytes.is_some()) else { return Ok(()) };
        mount_limited(folder, limit.mebibytes, MsFlags::empty())?;
        limit.folders.push(folder.to_owned());
        Ok(())
    }

    /// Lets go of a claim's file system, where it has one.
    fn forget(&self, folder: &Path) {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        for limit in limits.iter_mut().filter(|limit| limit.folders.iter().any(|one| one == folder)) {
            limit.folders.retain(|one| one != folder);
            // Containers that still have it end soon, and it with them.
            if let Err(error) = umount2(folder, MntFlags::MNT_DETACH) {
                tracing::warn!(%error, "a claim's file system stays");
            }
        }
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
        let is_new = !folder.exists();
        fs::create_dir_all(&folder)
            .and_then(|()| if is_new { self.made(namespace, claim, &folder) } else { Ok(()) })
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
                        self.forget(&self.folder.join(&uid));
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
                        self.forget(&self.folder.join(&uid));
                        removals.spawn(remove(self.folder.join(uid)));
                    }
                }
                Err(error) => tracing::debug!(%error, "watch claims"),
            }
        }
    }
}

fn mount_limited(folder: &Path, mebibytes: Option<u64>, flags: MsFlags) -> io::Result<()> {
    let options = mebibytes.map_or_else(|| NO_LIMIT.to_owned(), |size| format!("size={size}m"));
    let flags = flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some(options.as_str()))?)
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

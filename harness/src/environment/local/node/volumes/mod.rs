//! A pod's volumes: folders on the node, made before its containers start. Secrets and ConfigMaps in them are
//! read once; only tokens are replaced later.

mod access;
mod claims;
mod files;
mod mounts;
mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Pod, Volume, VolumeProjection};
use kube::Client;

pub(super) use access::Access;
pub(super) use claims::Claims;
pub(super) use mounts::{MountError, container_mounts};
pub(super) use token::{TokenFile, keep_fresh};

use self::files::{VolumeFile, from_data, from_fields, write_all};
use super::objects::{Kind, ObjectRef, Objects};

/// Files are readable by everyone in the pod unless the volume says otherwise.
const DEFAULT_MODE: i32 = 0o644;

/// Why a volume cannot be made yet. The pod waits with `ContainerCreating` and tries again.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("volume \"{volume}\": {object} not found")]
    Missing { volume: String, object: ObjectRef },
    #[error("volume \"{volume}\": references non-existent key {key} in {object}")]
    MissingKey { volume: String, object: ObjectRef, key: String },
    #[error("volume \"{volume}\": persistentvolumeclaim \"{claim}\" not found")]
    MissingClaim { volume: String, claim: String },
    #[error("volume \"{volume}\": {what} is not supported by the local environment")]
    Unsupported { volume: String, what: &'static str },
    #[error("volume \"{volume}\": the path \"{path}\" leads out of it")]
    Path { volume: String, path: String },
    #[error("volume \"{volume}\": {source}")]
    File { volume: String, source: std::io::Error },
    #[error("ask the API server: {0}")]
    Kube(#[from] Box<kube::Error>),
}

impl From<kube::Error> for VolumeError {
    fn from(error: kube::Error) -> Self {
        VolumeError::Kube(Box::new(error))
    }
}

/// What a pod's volumes are made with.
pub(super) struct Maker<'a> {
    pub client: &'a Client,
    pub claims: &'a Claims,
    pub pod: &'a Pod,
    pub pod_ip: &'a str,
    /// The folder of this pod's own volumes; gone with the pod.
    pub folder: &'a Path,
    pub access: Access,
}

/// A volume on the node.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub path: PathBuf,
    /// What comes from the API is never written to, whatever a mount asks for.
    pub read_only: bool,
}

/// The folders of all volumes, by name, and the tokens in them that must be renewed.
#[derive(Default)]
pub(super) struct Volumes {
    pub folders: BTreeMap<String, Folder>,
    pub tokens: Vec<TokenFile>,
}

impl Maker<'_> {
    pub(super) async fn make_all(&self) -> Result<Volumes, VolumeError> {
        let mut made = Volumes::default();
        for volume in self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let path = self.make(volume, &mut made.tokens).await?;
            let read_only = volume.persistent_volume_claim.is_none() && volume.empty_dir.is_none();
            made.folders.insert(volume.name.clone(), Folder { path, read_only });
        }
        Ok(made)
    }

    async fn make(&self, volume: &Volume, tokens: &mut Vec<TokenFile>) -> Result<PathBuf, VolumeError> {
        if let Some(claim) = &volume.persistent_volume_claim {
            return self.claims.folder(self.client, self.namespace(), &volume.name, &claim.claim_name).await;
        }
        let folder = self.folder.join(&volume.name);
        let mut files = Vec::new();
        if let Some(secret) = &volume.secret {
            let object = ObjectRef::new(Kind::Secret, secret.secret_name.as_deref().unwrap_or_default());
            let mode = secret.default_mode.unwrap_or(DEFAULT_MODE);
            let items = secret.items.as_deref();
            files = self.of_object(volume, object, items, mode, secret.optional).await?;
        } else if let Some(map) = &volume.config_map {
            let object = ObjectRef::new(Kind::ConfigMap, &map.name);
            let mode = map.default_mode.unwrap_or(DEFAULT_MODE);
            files = self.of_object(volume, object, map.items.as_deref(), mode, map.optional).await?;
        } else if let Some(downward) = &volume.downward_api {
            let mode = downward.default_mode.unwrap_or(DEFAULT_MODE);
            let items = downward.items.as_deref().unwrap_or_default();
            files = from_fields(&volume.name, self.pod, self.pod_ip, items, mode)?;
        } else if let Some(projected) = &volume.projected {
            let mode = projected.default_mode.unwrap_or(DEFAULT_MODE);
            for source in projected.sources.iter().flatten() {
                files.extend(self.of_projection(volume, source, mode, &folder, tokens).await?);
            }
        } else if volume.empty_dir.is_none() {
            return Err(VolumeError::Unsupported {
                volume: volume.name.clone(),
                what: "this kind of volume",
            });
        }
        for file in &mut files {
            file.mode = self.access.seen(file.mode);
        }
        write_all(&folder, &files, self.access.group())
            .map_err(|source| VolumeError::File { volume: volume.name.clone(), source })?;
        Ok(folder)
    }

    async fn of_object(
        &self,
        volume: &Volume,
        object: ObjectRef,
        items: Option<&[k8s_openapi::api::core::v1::KeyToPath]>,
        mode: i32,
        optional: Option<bool>,
    ) -> Result<Vec<VolumeFile>, VolumeError> {
        let objects = Objects::fetch(self.client, self.namespace(), [object.clone()]).await?;
        from_data(&volume.name, &object, objects.files(&object).as_ref(), items, mode, optional == Some(true))
    }

    async fn of_projection(
        &self,
        volume: &Volume,
        source: &VolumeProjection,
        mode: i32,
        folder: &Path,
        tokens: &mut Vec<TokenFile>,
    ) -> Result<Vec<VolumeFile>, VolumeError> {
        if let Some(secret) = &source.secret {
            let object = ObjectRef::new(Kind::Secret, &secret.name);
            return self.of_object(volume, object, secret.items.as_deref(), mode, secret.optional).await;
        }
        if let Some(map) = &source.config_map {
            let object = ObjectRef::new(Kind::ConfigMap, &map.name);
            return self.of_object(volume, object, map.items.as_deref(), mode, map.optional).await;
        }
        if let Some(downward) = &source.downward_api {
            let items = downward.items.as_deref().unwrap_or_default();
            return from_fields(&volume.name, self.pod, self.pod_ip, items, mode);
        }
        let Some(wanted) = &source.service_account_token else {
            return Err(VolumeError::Unsupported { volume: volume.name.clone(), what: "this projection" });
        };
        let path = files::checked(&volume.name, &wanted.path)?;
        let (token, renew_in) = token::request(self.client, self.pod, wanted).await?;
        tokens.push(TokenFile {
            path: folder.join(&path),
            wanted: wanted.clone(),
            mode: self.access.seen(mode as u32),
            group: self.access.group(),
            renew_in,
        });
        Ok(vec![VolumeFile { path, content: token.reveal().as_bytes().to_vec(), mode: mode as u32 }])
    }

    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }
}

//! The harness's own hands on storage accounts: containers and blobs, past the gateway.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use azure_core::RetryOptions;
use azure_core::error::ErrorKind;
use azure_core::prelude::Metadata;
use azure_storage::{CloudLocation, StorageCredentials};
use azure_storage_blobs::blob::{Blob, BlobBlockType, BlockList};
use azure_storage_blobs::prelude::{BlobClient, BlobServiceClient, ClientBuilder, ContainerClient};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::account::Account;

/// Blobs above this size are copied in pieces, so that a copy needs little memory.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;
const CONFLICT: u16 = 409;
const NOT_FOUND: u16 = 404;

/// One storage account, with its key.
#[derive(Debug, Clone)]
pub struct Blobs {
    account: String,
    service: BlobServiceClient,
}

/// A blob as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StoredBlob {
    /// The storage account that it lies in.
    pub account: String,
    /// The container that it lies in.
    pub container: String,
    /// Its full name, slashes included.
    pub name: String,
    /// The length of its content.
    pub bytes: u64,
}

/// What a blob carries beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobKind {
    /// As in the header `Content-Type`.
    pub content_type: String,
    /// As in the header `Content-Encoding`; none where the blob has none.
    pub content_encoding: Option<String>,
    /// Names without `x-ms-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress {
    /// Those that are copied whole.
    pub blobs_done: usize,
    /// Those that the other account had not, or not as they are here, when the copy began.
    pub blobs_in_all: usize,
    /// Of the blobs that are copied whole.
    pub bytes_done: u64,
}

/// What a storage account did not do.
#[derive(Debug, thiserror::Error)]
#[error("{what} in storage account {account}: {source}")]
pub struct BlobsError {
    /// What was being done.
    pub what: String,
    /// By its name.
    pub account: String,
    source: Box<azure_core::Error>,
}

impl Blobs {
    /// The account's blobs at an Azurite that listens on `address`, plain HTTP. Nothing is asked yet.
    pub fn new(account: &Account, address: SocketAddr) -> Self {
        let uri = format!("http://{address}/{}", account.name);
        let location = CloudLocation::Custom { account: account.name.clone(), uri };
        let key = account.key.reveal().to_owned();
        let credentials = StorageCredentials::access_key(account.name.clone(), key);
        // Azurite is on this machine: what fails once fails again, and callers have limits of their own.
        let service = ClientBuilder::with_location(location, credentials)
            .retry(RetryOptions::none())
            .blob_service_client();
        Blobs { account: account.name.clone(), service }
    }

    /// Makes a container; one that exists already is well.
    ///
    /// # Errors
    /// When the account does not answer or refuses.
    pub async fn make_container(&self, container: &str) -> Result<(), BlobsError> {
        match self.container(container).create().await {
            Err(error) if status(&error) != Some(CONFLICT) => {
                Err(self.failed(format!("make container {container}"), error))
            }
            _ => Ok(()),
        }
    }

    /// The names of all containers, sorted.
    ///
    /// # Errors
    /// When the account does not answer or refuses.
    pub async fn containers(&self) -> Result<Vec<String>, BlobsError> {
        let pages: Vec<_> = self
            .service
            .list_containers()
            .into_stream()
            .try_collect()
            .await
            .map_err(|error| self.failed("list containers", error))?;
        let mut names: Vec<String> =
            pages.into_iter().flat_map(|page| page.containers).map(|c| c.name).collect();
        names.sort();
        Ok(names)
    }

    /// All blobs of all containers, sorted by container and name.
    ///
    /// # Errors
    /// When the account does not answer or refuses.
    pub async fn list(&self) -> Result<Vec<StoredBlob>, BlobsError> {
        let mut all = Vec::new();
        for container in self.containers().await? {
            for blob in self.list_container(&container).await? {
                all.push(StoredBlob {
                    account: self.account.clone(),
                    container: container.clone(),
                    name: blob.name,
                    bytes: blob.properties.content_length,
                });
            }
        }
        all.sort();
        Ok(all)
    }

    /// Whether there is such a blob; `false` too where there is no such container.
    ///
    /// # Errors
    /// When the account does not answer or refuses.
    pub async fn exists(&self, container: &str, blob: &str) -> Result<bool, BlobsError> {
        match self.blob(container, blob).get_properties().await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(NOT_FOUND) => Ok(false),
            Err(error) => Err(self.failed(format!("look at {container}/{blob}"), error)),
        }
    }

    /// A blob's whole content, for blobs that fit into memory.
    ///
    /// # Errors
    /// When there is no such blob, or the account does not answer or refuses.
    pub async fn read(&self, container: &str, blob: &str) -> Result<Vec<u8>, BlobsError> {
        let properties = self.blob(container, blob).get_properties().await;
        let bytes = match properties {
            Ok(answer) => answer.blob.properties.content_length,
            Err(error) => return Err(self.failed(format!("read {container}/{blob}"), error)),
        };
        let mut content = Vec::new();
        // A range of an empty blob is refused, so that the loop must not ask for one.
        while (content.len() as u64) < bytes {
            content.extend_from_slice(&self.read_piece(container, blob, content.len() as u64).await?);
        }
        Ok(content)
    }

    /// What the blob has from `start`, up to [`PIECE_BYTES`].
    async fn read_piece(&self, container: &str, blob: &str, start: u64) -> Result<Bytes, BlobsError> {
        let failed = |error| self.failed(format!("read {container}/{blob}"), error);
        let nothing = || azure_core::Error::message(ErrorKind::Other, format!("no bytes from {start} on"));
        // Always a whole piece, also where less is left: for ranges below 4 MiB azure_core asks for a checksum that
        // Azurite refuses to make.
        let range = start..start + PIECE_BYTES;
        let mut answers = self.blob(container, blob).get().range(range).chunk_size(PIECE_BYTES).into_stream();
        let answer = answers.next().await.ok_or_else(nothing).map_err(failed)?.map_err(failed)?;
        let content = answer.data.collect().await.map_err(failed)?;
        // Whoever asks for the rest must come closer to it.
        if content.is_empty() { Err(failed(nothing())) } else { Ok(content) }
    }

    /// What the blob carries beside its content.
    ///
    /// # Errors
    /// When there is no such blob, or the account does not answer or refuses.
    pub async fn kind(&self, container: &str, blob: &str) -> Result<BlobKind, BlobsError> {
        match self.blob(container, blob).get_properties().await {
            Ok(answer) => Ok(BlobKind::of(&answer.blob)),
            Err(error) => Err(self.failed(format!("look at {container}/{blob}"), error)),
        }
    }

    /// Writes a blob in one request, over one that may be there.
    ///
    /// # Errors
    /// When there is no such container, or the account does not answer or refuses.
    pub async fn write(
        &self,
        container: &str,
        blob: &str,
        content: impl Into<Bytes>,
        kind: &BlobKind,
    ) -> Result<(), BlobsError> {
        let mut put = self
            .blob(container, blob)
            .put_block_blob(content.into())
            .content_type(kind.content_type.clone())
            .metadata(kind.azure_metadata());
        if let Some(encoding) = kind.content_encoding.clone() {
            put = put.content_encoding(encoding);
        }
        put.await.map(drop).map_err(|error| self.failed(format!("write {container}/{blob}"), error))
    }

    /// Deletes a blob.
    ///
    /// # Errors
    /// When there is no such blob, or the account does not answer or refuses.
    pub async fn delete(&self, container: &str, blob: &str) -> Result<(), BlobsError> {
        let deleted = self.blob(container, blob).delete().await;
        deleted.map(drop).map_err(|error| self.failed(format!("delete {container}/{blob}"), error))
    }

    /// Copies all containers and blobs into another account, with content type, encodings and metadata, and returns
    /// how many blobs and bytes that were. What was copied before and has not changed since is left as it is, as
    /// `azcopy sync` does it.
    ///
    /// As in Azure a copy is as old as its copying. Blobs go one by one from the oldest to the newest, since WAL-G
    /// orders backups by their age. `progress` is called after each blob.
    ///
    /// # Errors
    /// When one of the accounts does not answer or refuses; what was copied until then stays.
    pub async fn copy_account(
        &self,
        to: &Blobs,
        mut progress: impl FnMut(CopyProgress),
    ) -> Result<CopyProgress, BlobsError> {
        let mut all = Vec::new();
        for container in self.containers().await? {
            to.make_container(&container).await?;
            let copied: HashMap<String, Blob> = to
                .list_container(&container)
                .await?
                .into_iter()
                .map(|blob| (blob.name.clone(), blob))
                .collect();
            let blobs = self.list_container(&container).await?.into_iter();
            let outdated =
                blobs.filter(|blob| !copied.get(&blob.name).is_some_and(|copy| is_copy_of(copy, blob)));
            all.extend(outdated.map(|blob| (container.clone(), blob)));
        }
        all.sort_by_key(|(_, blob)| blob.properties.last_modified);
        let mut so_far = CopyProgress { blobs_done: 0, blobs_in_all: all.len(), bytes_done: 0 };
        for (container, blob) in &all {
            self.copy_blob(to, container, blob).await?;
            so_far.blobs_done += 1;
            so_far.bytes_done += blob.properties.content_length;
            progress(so_far);
        }
        Ok(so_far)
    }

    async fn copy_blob(&self, to: &Blobs, container: &str, blob: &Blob) -> Result<(), BlobsError> {
        let kind = BlobKind::of(blob);
        if blob.properties.content_length <= PIECE_BYTES {
            let content = self.read(container, &blob.name).await?;
            return to.write(container, &blob.name, content, &kind).await;
        }
        let target = to.blob(container, &blob.name);
        let write_failed = |error| to.failed(format!("write {container}/{}", blob.name), error);
        let mut list = BlockList::default();
        let mut copied = 0;
        while copied < blob.properties.content_length {
            let content = self.read_piece(container, &blob.name, copied).await?;
            copied += content.len() as u64;
            // All ids of one blob must have the same length.
            let id = format!("{:08}", list.blocks.len());
            target.put_block(id.clone(), content).await.map_err(write_failed)?;
            list.blocks.push(BlobBlockType::new_uncommitted(id));
        }
        let mut commit = target
            .put_block_list(list)
            .content_type(kind.content_type.clone())
            .metadata(kind.azure_metadata());
        if let Some(encoding) = kind.content_encoding {
            commit = commit.content_encoding(encoding);
        }
        commit.await.map(drop).map_err(write_failed)
    }

    async fn list_container(&self, container: &str) -> Result<Vec<Blob>, BlobsError> {
        let pages: Vec<_> = self
            .container(container)
            .list_blobs()
            .include_metadata(true)
            .into_stream()
            .try_collect()
            .await
            .map_err(|error| self.failed(format!("list container {container}"), error))?;
        Ok(pages.iter().flat_map(|page| page.blobs.blobs().cloned()).collect())
    }

    fn container(&self, name: &str) -> ContainerClient {
        self.service.container_client(name)
    }

    fn blob(&self, container: &str, name: &str) -> BlobClient {
        self.container(container).blob_client(name)
    }

    fn failed(&self, what: impl Into<String>, error: azure_core::Error) -> BlobsError {
        BlobsError { what: what.into(), account: self.account.clone(), source: Box::new(error) }
    }
}

impl Default for BlobKind {
    /// As WAL-G writes them.
    fn default() -> Self {
        let content_type = "application/octet-stream".to_owned();
        BlobKind { content_type, content_encoding: None, metadata: BTreeMap::new() }
    }
}

impl BlobKind {
    fn of(blob: &Blob) -> Self {
        let properties = &blob.properties;
        BlobKind {
            content_type: properties.content_type.clone(),
            // A listing has an empty element where there is none.
            content_encoding: properties.content_encoding.clone().filter(|text| !text.is_empty()),
            metadata: blob.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    }

    fn azure_metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, value) in &self.metadata {
            metadata.insert(name.clone(), value.clone());
        }
        metadata
    }
}

/// Nothing tells the content of a blob in a listing; one that changed later than its copy is another one.
fn is_copy_of(copy: &Blob, blob: &Blob) -> bool {
    copy.properties.content_length == blob.properties.content_length
        && copy.properties.last_modified >= blob.properties.last_modified
}

fn status(error: &azure_core::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::HttpResponse { status, .. } => Some(u16::from(*status)),
        _ => None,
    }
}

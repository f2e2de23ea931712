//! Faults of a scenario: what is broken on purpose while a drill goes on, and when that ends.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fault that begins. It has exactly one of the fields beside its name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultStep {
    /// What `heal` and reports call it.
    #[serde(rename = "as")]
    pub name: String,
    /// Some requests to the storage, until it is healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestsFault>,
    /// Blobs where they lie; what they were is put back when it is healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobs: Option<BlobsFault>,
    /// Pods of a cluster, now or as soon as they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsFault>,
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorFault>,
    /// What new connections to a storage account are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFault>,
    /// Where a storage account's host name leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<HostNameFault>,
    /// How much the volumes of a cluster hold; what is made before the fault begins has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<VolumesFault>,
    /// The node that the pods of the drill run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeFault>,
    /// It heals by itself so many seconds after it has begun, while a cluster is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_after: Option<u64>,
}

/// Which requests to the storage are met, and what becomes of them. What is left out stands for all.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestsFault {
    /// Those of this cluster's pods, by its short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Those to this storage account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Those about these blobs. A listing is about none: it is chosen by its operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobs: Option<BlobChoice>,
    /// Those that do one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<StorageOperation>,
    /// Which of them.
    #[serde(default)]
    pub often: HowOften,
    /// What becomes of them.
    #[serde(rename = "do")]
    pub act: RequestsAct,
}

/// What a request to the storage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageOperation {
    /// List blobs.
    List,
    /// Read a blob's content.
    Read,
    /// Ask for a blob's properties.
    LookAt,
    /// Write a blob: as a whole, a block of it, the list of its blocks, or as a copy.
    Write,
    /// Delete blobs.
    Delete,
}

/// How often a fault acts, counted over the requests that it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HowOften {
    /// On each.
    #[default]
    Always,
    /// On the first so many.
    First(u64),
    /// On this one; the first is 1.
    Nth(u64),
    /// On this one and every multiple of it.
    EveryNth(u64),
    /// On so many of a hundred, at random; the same seed chooses the same ones.
    AtRandom(AtRandom),
}

/// Chance, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AtRandom {
    /// From 1 to 100.
    pub percent: u8,
    /// The same one chooses the same requests again.
    pub seed: u64,
}

/// Blobs by what they mean to WAL-G, or by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlobChoice {
    /// Parts of base backups with data.
    BackupPart,
    /// The part of base backups with the control file.
    ControlFile,
    /// What says that a base backup is complete, and of what it is.
    Sentinel,
    /// What `wal-g backup-list --detail` shows.
    Metadata,
    /// The list of the files of base backups.
    FilesMetadata,
    /// All files of WAL.
    Wal,
    /// Histories of timelines.
    History,
    /// One file of WAL, by its number among those that are there when the fault begins: 1 is the oldest, -1 the newest.
    WalFile(i64),
    /// A name in which `*` stands for any text and `?` for one character.
    Named(String),
}

/// What becomes of a request to the storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestsAct {
    /// An error is answered, as Azure does it.
    Answer(AzureError),
    /// No answer at all, until the fault is healed.
    Hang,
    /// The connection closes.
    Close(CloseWhen),
    /// Only so many bytes come, and the answer says that these are all.
    Truncate(u64),
    /// All bits of this byte are turned, counted from 0.
    Flip(u64),
    /// The content of another blob comes, the first of those that are meant.
    ContentOf(BlobChoice),
    /// Nothing comes, and the answer says that this is all.
    Empty,
    /// A blob that was changed since the fault began comes as it was then.
    OlderVersion,
    /// A write or a deletion is done twice.
    Twice,
    /// A write or a deletion is answered as done at once, and done so many milliseconds later.
    Late(u64),
    /// A write or a deletion is answered as done, and not done.
    Swallow,
    /// The storage hears of it so many milliseconds later.
    Delay(u64),
    /// So many bytes a second come.
    Slow(u64),
    /// A listing leaves these blobs out.
    Hide(BlobChoice),
    /// A listing has these blobs once more, under names that are not there.
    Phantom(BlobChoice),
    /// A listing has the second half of its blobs left out, and says that it is whole.
    LosePage,
    /// A listing has its blobs in the other order.
    Reverse,
    /// A listing says so many seconds more (or less) of when each blob was written.
    ShiftTimes(i64),
    /// A listing knows no blob that was written after the fault began.
    OldList,
}

/// An error as Azure answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AzureError {
    /// The HTTP status, such as 503.
    pub status: u16,
    /// Azure's error code, such as `ServerBusy`.
    pub code: String,
    /// More headers, such as `Retry-After`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// When a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloseWhen {
    /// Nothing is done, and nothing answered.
    BeforeTheRequest,
    /// What was asked for is done, and not answered.
    BeforeTheAnswer,
    /// So many bytes of the answer came, and it promised more.
    AfterBytes(u64),
    /// The whole answer came.
    AfterTheAnswer,
}

/// Which blobs are damaged, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BlobsFault {
    /// The storage account that holds them.
    pub account: String,
    /// Which they are. One that is not there fails the step.
    pub blobs: BlobChoice,
    /// Only those of this base backup, where they belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_backup: Option<WhichBackup>,
    /// How they are damaged.
    #[serde(rename = "do")]
    pub act: BlobsAct,
}

/// One of the base backups of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhichBackup {
    /// The first that was taken.
    Oldest,
    /// The last that was taken.
    Newest,
}

/// How a blob is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlobsAct {
    /// It is gone.
    Delete,
    /// No byte is left.
    Empty,
    /// The first half is left.
    Halve,
    /// All bits of the byte in its middle are turned.
    Flip,
    /// It has the content of another blob, the first of those that are meant.
    ContentOf(BlobChoice),
    /// Each text in it is replaced by another.
    Reword(Reword),
}

/// One text for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reword {
    /// What stands in the blob.
    pub from: String,
    /// What stands there instead.
    pub to: String,
}

/// Which pods are disturbed, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PodsFault {
    /// The cluster, by its short name.
    pub of: String,
    /// What happens to its pod.
    #[serde(rename = "do")]
    pub act: PodsAct,
}

/// How a pod is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PodsAct {
    /// The pod is deleted; its StatefulSet makes another one.
    Delete,
    /// Processes of this name in its container are killed, as by the kernel that has no memory left: `postgres`, `patroni`,
    /// `wal-g`.
    Kill(String),
    /// Processes of this name in its container do nothing until the fault is healed.
    Pause(String),
}

/// What becomes of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorFault {
    /// Its pod is deleted; its Deployment makes another one.
    Kill,
    /// There is none, until the fault is healed.
    Stop,
    /// It is there and does nothing, until the fault is healed.
    Pause,
}

/// A certificate that no client should trust.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFault {
    /// The storage account that shows it.
    pub account: String,
    /// Only to this cluster's pods, by its short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What is wrong with it.
    pub is: WrongCertificate,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WrongCertificate {
    /// It was valid until an hour ago.
    Expired,
    /// It is for another host's name.
    OfAnotherName,
    /// An authority signed it that pods do not know.
    OfAnUnknownAuthority,
}

/// A host name that leads to the wrong place.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostNameFault {
    /// The storage account that is meant by it.
    pub of: String,
    /// Where it leads instead.
    pub leads: HostNameLeads,
}

/// Where a host name leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostNameLeads {
    /// It does not resolve.
    Nowhere,
    /// To another storage account of the drill.
    To(String),
}

/// Volumes that are too small.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VolumesFault {
    /// The cluster, by its short name.
    pub of: String,
    /// So many MiB go into each of its volumes, whatever its manifest asks for; none are too many once it is healed.
    pub hold: u64,
}

/// What becomes of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeFault {
    /// All containers of the drill end at once and start again, the operator's too; volumes stay.
    Restart,
}

impl FaultStep {
    /// How many kinds of faults it names; exactly one is right.
    pub fn kinds(&self) -> usize {
        let named = [
            self.requests.is_some(),
            self.blobs.is_some(),
            self.pods.is_some(),
            self.operator.is_some(),
            self.certificate.is_some(),
            self.host_name.is_some(),
            self.volumes.is_some(),
            self.node.is_some(),
        ];
        named.into_iter().filter(|named| *named).count()
    }
}

impl FaultStep {
    /// Whether it goes on until it is healed.
    pub fn can_end(&self) -> bool {
        let of_pods = self.pods.as_ref().is_some_and(|pods| matches!(pods.act, PodsAct::Pause(_)));
        let of_operator = matches!(self.operator, Some(OperatorFault::Stop | OperatorFault::Pause));
        let others = [
            self.requests.is_some(),
            self.blobs.is_some(),
            self.certificate.is_some(),
            self.host_name.is_some(),
            self.volumes.is_some(),
        ];
        of_pods || of_operator || others.contains(&true)
    }
}

impl BlobChoice {
    /// The pattern of names; none for what only the archive itself can tell.
    pub fn pattern(&self) -> Option<String> {
        Some(match self {
            BlobChoice::BackupPart => "*/tar_partitions/part_*".to_owned(),
            BlobChoice::ControlFile => "*/tar_partitions/pg_control.tar*".to_owned(),
            BlobChoice::Sentinel => "*_backup_stop_sentinel.json".to_owned(),
            BlobChoice::Metadata => "*/metadata.json".to_owned(),
            BlobChoice::FilesMetadata => "*/files_metadata.json".to_owned(),
            BlobChoice::Wal => format!("*/wal_005/{}*", "?".repeat(24)),
            BlobChoice::History => "*/wal_005/*.history*".to_owned(),
            BlobChoice::Named(pattern) => pattern.clone(),
            BlobChoice::WalFile(_) => return None,
        })
    }
}

//! What a scenario file says, as types. The JSON Schema is generated from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expect::Expect;
use super::fault::FaultStep;

/// A world to make, the steps to do in it, and what must come out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// The scenario's name: its group and the file's name, joined by `-`.
    pub name: String,
    /// One or two sentences: what this scenario shows.
    pub about: String,
    /// The issue that it stands for, as `owner/repository#number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// A file that several scenarios share, relative to this one, with any of the fields from `operator` to `clusters`: what
    /// stands there does not stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Which operator versions the drill is for, and what their configuration is.
    #[serde(default)]
    pub operator: OperatorSection,
    /// The storage accounts that there are.
    #[serde(default)]
    pub storage: StorageSection,
    /// Another scenario file, relative to this one. The drill begins with what that one's steps left in the storage accounts,
    /// made once for all drills of a run; its clusters are gone, and its marks and UIDs are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Kubernetes objects, verbatim, applied before the operator starts.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// `postgresql` manifests, verbatim, by a short name.
    #[serde(default)]
    pub clusters: BTreeMap<String, Value>,
    /// What the drill does, in this order.
    pub steps: Vec<Step>,
    /// What must come out of it.
    pub expect: Expect,
    /// Expectations that the very same world must NOT meet: proof that outcomes are told apart.
    #[serde(default)]
    pub told_apart_from: Vec<BTreeMap<String, ClusterExpectation>>,
}

/// What several scenarios share.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SharedWorld {
    /// As in a scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorSection>,
    /// As in a scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSection>,
    /// Relative to the file that they share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// As in a scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<Value>>,
    /// As in a scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<BTreeMap<String, Value>>,
}

/// The operator under test.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OperatorSection {
    /// Released versions (`v1.15.1`), or names from the configuration file's `operators`.
    pub versions: Vec<String>,
    /// `OperatorConfiguration.configuration`, verbatim, laid over the release's own default.
    #[serde(default)]
    pub configuration: serde_json::Map<String, Value>,
}

/// The storage accounts that are made for the drill.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StorageSection {
    /// Names of storage accounts (3 to 24 lowercase letters and digits), each with keys of its own.
    pub accounts: Vec<String>,
    /// Containers made in every account before the first step.
    #[serde(default = "default_containers")]
    pub containers: Vec<String>,
}

fn default_containers() -> Vec<String> {
    vec!["backups".to_owned()]
}

/// One thing that a drill does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Apply the manifest of this cluster and wait until its outcome is evident.
    Create(String),
    /// Run SQL on a cluster's leader.
    Sql(SqlStep),
    /// Take a base backup of this cluster, and wait until the storage holds it.
    Backup(String),
    /// Name this moment: its time, LSN and a digest of the data; its WAL is archived before the step ends.
    Mark(MarkStep),
    /// Delete this cluster, and wait until its pods are gone. Its backups stay.
    Delete(String),
    /// Change the manifest of a cluster that is there, and wait until the operator has done what it does then.
    Apply(ApplyStep),
    /// Put other values into a Secret of the scenario. Pods that run keep what they were started with.
    SetSecret(SetSecretStep),
    /// Hand the lead of a cluster to one of its replicas.
    Failover(String),
    /// Wait until a cluster that follows another one has all that a mark was taken of.
    CatchUp(CatchUpStep),
    /// Delete the pods of a cluster, the leader's last, and wait until the new ones are ready.
    Restart(String),
    /// Delete a cluster, and create another one under its name.
    RestoreInPlace(RestoreInPlaceStep),
    /// Break something, until it is healed.
    Fault(Box<FaultStep>),
    /// End the fault of this name. One that has hit nothing fails the step.
    Heal(String),
    /// Copy all blobs of one storage account into another, blob by blob.
    CopyAccount(CopyAccountStep),
    /// From here on this storage account is gone: its name no longer resolves.
    LoseAccount(String),
    /// The key of this storage account is made anew: who has the old one is refused, and `${storage.….key}` is the new one. Pods
    /// and Secrets keep what they have until a step changes it.
    RotateKey(String),
    /// Install another operator version over the running one.
    UpgradeOperator(String),
}

/// SQL on a cluster's leader, as the superuser.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqlStep {
    /// The cluster, by its short name.
    pub on: String,
    /// The statements themselves. Either this or `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// A file of statements, relative to the scenario file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The database to run them in.
    #[serde(default = "default_database")]
    pub database: String,
}

fn default_database() -> String {
    "postgres".to_owned()
}

/// A moment to name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MarkStep {
    /// The cluster, by its short name.
    pub on: String,
    /// The mark's name: `${marks.<name>.time}`, and what `data.equals` takes.
    #[serde(rename = "as")]
    pub name: String,
}

/// How far a cluster that follows another one must have come.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CatchUpStep {
    /// The cluster that follows, by its short name.
    pub on: String,
    /// A mark on the cluster that it follows.
    pub to: String,
}

/// A changed manifest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApplyStep {
    /// The cluster, by its short name.
    pub to: String,
    /// What is laid over its manifest, as `kubectl patch --type merge` does it: maps are merged, everything else is
    /// replaced, and `null` takes a field out.
    pub changes: serde_json::Map<String, Value>,
}

/// Other values for a Secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetSecretStep {
    /// The name of a Secret that stands under `objects`.
    pub name: String,
    /// By key, in plain text; keys that are not named keep their values.
    pub values: BTreeMap<String, String>,
}

/// A restore under the own name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RestoreInPlaceStep {
    /// The cluster that is deleted, by its short name.
    pub of: String,
    /// The cluster that is created then; its manifest has the same `metadata.name`.
    pub with: String,
    /// What must become of the volumes in between. Left out, it is as the operator's configuration has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Volumes>,
}

/// What becomes of a deleted cluster's volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Volumes {
    /// All are still there; an operator that deletes them fails the step.
    Kept,
    /// Those that the operator keeps are deleted, as by hand.
    Deleted,
}

/// Two storage accounts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CopyAccountStep {
    /// The storage account whose blobs are copied.
    pub from: String,
    /// The storage account that gets them.
    pub to: String,
}

/// What became of a cluster, recognised from evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterOutcome {
    /// It runs; a clone was restored from the cluster that it names and reached its target.
    Running,
    /// It says Running, but it was initialised from nothing: its system identifier is its own.
    Empty,
    /// It says Running, but with the data of another cluster than the one that it names.
    WrongCluster,
    /// It says Running, restored from the right cluster, but recovery never reached the target.
    TargetNotReached,
    /// It says Running, on the data that its volume held before; it was to be a clone, and nothing was restored.
    NotRestored,
    /// It follows another cluster of the drill: it takes no writes, and by the drill's end it has come up to where that one
    /// was. Unless `writes` says otherwise, it changes nothing in any storage account.
    Following,
    /// It follows another cluster of the drill, and does not come up to where that one is.
    LagsBehind,
    /// The bootstrap failed twice, and its log says why.
    BootstrapFails,
    /// Its container cannot be made: something that the pod template refers to is not there.
    CannotStart,
    /// The API server or the operator refused the manifest.
    Rejected,
}

/// What must come out of one cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterExpectation {
    /// What became of it.
    pub outcome: ClusterOutcome,
    /// The name of the catalogue's message that says why. `bootstrap-fails`, `cannot-start` and `rejected` must have it
    /// under `expect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// How its data compare at the end of the drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataExpectation>,
    /// Whom it follows, and how far behind it may be at the drill's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<FollowsExpectation>,
    /// Exactly the storage accounts that its pods looked into or read from, seen at the storage itself. What it does in the
    /// place of its own backups (WALG_AZ_PREFIX in AZURE_STORAGE_ACCOUNT) counts only where it reads what another one wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<String>>,
    /// Exactly the storage accounts that its pods wrote into or deleted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<String>>,
    /// Whether the storage holds a base backup of its own at the drill's end. Left out, one that archives must have one, unless
    /// it writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<OwnBackups>,
    /// Exactly the other clusters below whose own `WALG_AZ_PREFIX`, in their own account, its pods wrote or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_into_archives_of: Option<Vec<String>>,
    /// By the name of a variable of the container `postgres`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvExpectation>,
    /// The logs of its pods.
    #[serde(default)]
    pub logs: LogsExpectation,
}

/// What the storage holds of a cluster's own base backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OwnBackups {
    /// At least one that is complete.
    Complete,
    /// None, whatever the cluster says.
    None,
}

/// Whom a cluster follows, and how far behind it may be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FollowsExpectation {
    /// The cluster that it follows, by its short name.
    pub cluster: String,
    /// At most so many bytes of WAL, at the moment in which the drill ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// At most so many seconds, from that moment on, until it has come to where the other one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// How the cluster's data compare with marks and other clusters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataExpectation {
    /// A mark, or the name of a cluster (as it is at the end of the drill).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A mark or cluster that the data must not equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs_from: Option<String>,
    /// A mark or cluster whose tables and rows it must have, whatever differs in definitions: as after an upgrade to another major
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_rows_as: Option<String>,
}

/// One variable, as the operator wrote it and as the container got it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnvExpectation {
    /// The value that the container gets; `absent: true` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The container does not get the variable at all.
    #[serde(default)]
    pub absent: bool,
    /// How often the name stands in the pod template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// How the entry that counts is written in the pod template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<EnvForm>,
    /// Where the value that the container gets came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<EnvOrigin>,
}

/// How a variable is written in the pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnvForm {
    /// The value itself: whoever may read the StatefulSet or the pod reads it.
    PlainText,
    /// A reference to a Secret, a ConfigMap or a field of the pod.
    Reference,
}

impl EnvForm {
    /// As it stands in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            EnvForm::PlainText => "plain-text",
            EnvForm::Reference => "reference",
        }
    }
}

/// Where an environment variable came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnvOrigin {
    /// The operator's own, the same for every cluster.
    Operator,
    /// The manifest's `spec.env`.
    SpecEnv,
    /// Made from the manifest's `spec.clone` or `spec.standby`.
    CloneSection,
    /// The Secret that the operator's `pod_environment_secret` names.
    PodEnvironmentSecret,
    /// The ConfigMap that the operator's `pod_environment_configmap` names.
    PodEnvironmentConfigmap,
    /// A setting of the operator configuration, such as `wal_az_storage_account`.
    OperatorConfiguration,
    /// More than one of these could have given it.
    Ambiguous,
}

impl EnvOrigin {
    /// As it stands in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            EnvOrigin::Operator => "operator",
            EnvOrigin::SpecEnv => "spec-env",
            EnvOrigin::CloneSection => "clone-section",
            EnvOrigin::PodEnvironmentSecret => "pod-environment-secret",
            EnvOrigin::PodEnvironmentConfigmap => "pod-environment-configmap",
            EnvOrigin::OperatorConfiguration => "operator-configuration",
            EnvOrigin::Ambiguous => "ambiguous",
        }
    }
}

/// What the logs may hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogsExpectation {
    /// Errors that are expected, by their names in the catalogue. Each must be seen; any other error fails the drill.
    #[serde(default)]
    pub known: Vec<String>,
    /// Errors that may be logged and need not, by their names: what one version of a program says, and another does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<String>,
}

/// What must be seen of the operator.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OperatorExpectation {
    /// Its log.
    #[serde(default)]
    pub logs: LogsExpectation,
}

/// One of the things that a drill looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObservationKind {
    /// The env of each cluster's container `postgres`.
    Env,
    /// What the operator and the clusters' pods logged.
    Logs,
    /// What each cluster's databases hold.
    Data,
    /// What was asked of the storage accounts, and what they hold.
    Storage,
}

impl ObservationKind {
    /// As it stands in a scenario and in the name of a snapshot file.
    pub fn name(self) -> &'static str {
        match self {
            ObservationKind::Env => "env",
            ObservationKind::Logs => "logs",
            ObservationKind::Data => "data",
            ObservationKind::Storage => "storage",
        }
    }
}

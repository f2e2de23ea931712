//! Where the programs of one run are, as the rest of the harness sees them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// All programs that were found or fetched for a run. Crosses process borders as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tools {
    /// The store of the local control plane.
    pub etcd: PathBuf,
    /// The API server of the local control plane.
    pub kube_apiserver: PathBuf,
    /// The one program of the control plane that makes objects by itself.
    pub kube_controller_manager: PathBuf,
    /// The one that the stand-in for Spilo calls.
    pub wal_g: WalGTool,
    /// The storage behind the gateway.
    pub azurite: AzuriteTool,
    /// The one that the stand-in for Spilo runs.
    pub patroni: PatroniTool,
    /// PostgreSQL installations with OpenSSL and all programs, newest major last. Empty only where all
    /// programs are in images.
    pub postgres: Vec<PostgresTool>,
    /// By the name that a scenario gives: `v1.15.1`, or the name of one in the configuration file.
    pub operators: BTreeMap<String, OperatorTool>,
    /// Folders and files that pods must see, read-only, at the same path (tool cache, Python, …).
    pub visible: Vec<PathBuf>,
    /// The stand-in's first base backup begins when Spilo's own would, and not as soon as it can.
    #[serde(default)]
    pub spilos_first_backup: bool,
    /// Those that run in place of these programs.
    #[serde(default)]
    pub images: RunImages,
}

impl Tools {
    /// Those that `${postgres.version}` may stand for.
    pub fn default_postgres(&self) -> impl Iterator<Item = &PostgresTool> {
        self.postgres.iter().filter(|postgres| !postgres.named_only)
    }
}

/// A WAL-G for PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WalGTool {
    /// In the cache, or where it was found or given.
    pub program: PathBuf,
    /// As the program says it, such as `3.0.5`.
    pub version: String,
    /// It calls `pg_start_backup`, which PostgreSQL 15 no longer has.
    pub predates_postgres_15: bool,
}

/// Azurite, and the Node.js that runs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AzuriteTool {
    /// The program `node`.
    pub node: PathBuf,
    /// `azurite-blob`'s script (`dist/src/blob/main.js`).
    pub script: PathBuf,
}

/// A python that has Patroni.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PatroniTool {
    /// The virtual environment's python; `-m patroni` runs it.
    pub python: PathBuf,
    /// For example `4.0.4`.
    pub version: String,
}

/// The programs of one PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostgresTool {
    /// For example 15.
    pub major: u16,
    /// For example `15.18`.
    pub version: String,
    /// The folder with `postgres`, `initdb`, `pg_basebackup`, ….
    pub bin: PathBuf,
    /// It is there for manifests that name its major, and `${postgres.version}` never stands for it.
    #[serde(default)]
    pub named_only: bool,
}

/// An operator's program and its manifests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperatorTool {
    /// For example `v1.15.1`.
    pub version: String,
    /// In the cache, or where `operators` in `clonedrill.yaml` has it.
    pub binary: PathBuf,
    /// The folder with the release's own manifests (`operatorconfiguration.crd.yaml`, …).
    pub manifests: PathBuf,
}

/// Images that were given for a run of the local environment, unpacked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunImages {
    /// In place of the stand-in, whatever reference the operator's release names.
    pub spilo: Option<UnpackedImage>,
    /// By the operator's name among the programs.
    pub operators: BTreeMap<String, UnpackedImage>,
    /// By the whole reference that a manifest names.
    pub others: BTreeMap<String, UnpackedImage>,
    /// The folder that they lie in; nobody removes them while a process holds it.
    pub folder: Option<PathBuf>,
}

/// An image whose layers are folders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnpackedImage {
    /// Of its manifest; empty for a plain folder.
    pub digest: String,
    /// Its layers, the lowest first.
    pub folders: Vec<PathBuf>,
    /// What a container's `command` takes the place of.
    pub entrypoint: Vec<String>,
    /// What a container's `args` take the place of.
    pub cmd: Vec<String>,
    /// Below what the pod says.
    pub env: Vec<(String, String)>,
    /// Where the container says nothing; empty for the root.
    pub working_dir: PathBuf,
    /// As whom its containers run.
    pub uid: u32,
    /// The group of that user.
    pub gid: u32,
    /// The login name of `uid`; empty where the image has none.
    pub user: String,
    /// The home folder of `uid`; empty where the image has none.
    pub home: PathBuf,
    /// Its `/etc/passwd`.
    pub passwd: String,
    /// Its `/etc/group`.
    pub group: String,
    /// Somebody else than root owns something in it.
    pub others_own: bool,
    /// Where it says or shows which it has.
    pub postgres_majors: Vec<u16>,
}

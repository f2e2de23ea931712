//! What a kind environment is to be made of: told to its process on stdin.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::toolchain::{ImageSettings, Tools};

/// All that the environment's process needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The cluster's name in kind.
    pub cluster: String,
    /// The kind program.
    pub kind: PathBuf,
    /// The image of the node; without one, kind's own.
    pub node_image: Option<String>,
    /// A port of 127.0.0.1 for the API server; without one, a free one.
    pub api_server_port: Option<u16>,
    /// Archives of images that are brought into Docker first.
    pub archives: Vec<PathBuf>,
    /// Mirrors of images, where they are not what the releases name.
    pub images: ImageSettings,
    /// The programs of the first run. Others may come with other operators.
    pub tools: Tools,
}

impl Order {
    /// A name that tells whose it is; the same for all who share an environment.
    pub fn cluster_name(environment: &str) -> String {
        let digest = Sha256::digest(environment.as_bytes());
        let digits: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        format!("clonedrill-{digits}")
    }
}

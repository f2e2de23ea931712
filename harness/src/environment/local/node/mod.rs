//! The node agent: runs the pods of one node as native processes.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::images::ImageStore;
use crate::environment::{ContainerLog, EnvironmentError, ExecOutput};

/// What a node needs of its environment.
pub struct NodeSettings {
    pub client: kube::Client,
    pub images: ImageStore,
    /// The bridge that pods are plugged into.
    pub bridge: String,
    /// A folder on a tmpfs for everything that pods write.
    pub state: PathBuf,
    /// What pods trust beside the host's authorities.
    pub authority_pem: String,
    pub dns: Ipv4Addr,
    pub self_exe: PathBuf,
    pub api_server: Ipv4Addr,
    pub api_server_port: u16,
}

/// The node; dropping it ends all of its pods.
pub struct Node {}

impl Node {
    pub async fn start(_settings: NodeSettings) -> Result<Self, EnvironmentError> {
        Ok(Node {})
    }

    pub fn namespace_of(&self, _address: IpAddr) -> Option<String> {
        None
    }

    pub async fn exec(
        &self,
        _namespace: &str,
        _pod: &str,
        _container: &str,
        _argv: &[String],
    ) -> Result<ExecOutput, EnvironmentError> {
        Err(EnvironmentError::Connection("the node does not run pods yet".to_owned()))
    }

    pub async fn container_logs(&self, _namespace: &str) -> Result<Vec<ContainerLog>, EnvironmentError> {
        Ok(Vec::new())
    }

    pub async fn forget_namespace(&self, _namespace: &str) {}
}

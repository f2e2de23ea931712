//! The sandbox's network: a bridge that every pod's veth is plugged into, and the addresses on it.
//!
//! | addresses | whose |
//! | --- | --- |
//! | 10.244.0.1 | the API server (:443), the node (:10250) and DNS (:53) |
//! | 10.244.0.0/20 | services; the first of them, `kubernetes`, is the API server's very address |
//! | 10.244.16.0 – 10.244.199.255 | pods |
//! | 10.244.254.1 – 10.244.254.254 | storage gateways, one for each drill |

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt;
use rtnetlink::{Handle, LinkBridge, LinkUnspec};

use crate::environment::EnvironmentError;

pub(super) const BRIDGE: &str = "cd0";
pub(super) const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(super) const DNS: Ipv4Addr = API_SERVER;
/// Two services for each cluster that is rendered, and a check may have hundreds, each in two worlds.
pub(super) const SERVICES: &str = "10.244.0.0/20";
const PREFIX: u8 = 16;

/// The sandbox's own network namespace.
#[derive(Debug, Clone)]
pub(super) struct Network {
    handle: Handle,
    bridge: u32,
}

impl Network {
    /// Brings up `lo` and the bridge.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) async fn make() -> Result<Self, EnvironmentError> {
        let (connection, handle, _) = rtnetlink::new_connection()
            .map_err(|source| EnvironmentError::Sandbox { what: "open netlink".to_owned(), source })?;
        tokio::spawn(connection);
        handle
            .link()
            .add(LinkBridge::new(BRIDGE).build())
            .execute()
            .await
            .map_err(refused("make the bridge"))?;
        for name in ["lo", BRIDGE] {
            let index = index_of(&handle, name).await?;
            let up = LinkUnspec::new_with_index(index).up().build();
            handle.link().change(up).execute().await.map_err(refused("bring up a link"))?;
        }
        let bridge = index_of(&handle, BRIDGE).await?;
        let network = Network { handle, bridge };
        network.add_address(API_SERVER).await?;
        Ok(network)
    }

    /// Gives the sandbox one more address, for a storage gateway.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) async fn add_address(&self, address: Ipv4Addr) -> Result<(), EnvironmentError> {
        let add = self.handle.address().add(self.bridge, IpAddr::V4(address), PREFIX);
        add.execute().await.map_err(refused("add an address"))
    }

    /// Takes an address of [`Network::add_address`] away again.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) async fn remove_address(&self, address: Ipv4Addr) -> Result<(), EnvironmentError> {
        let all = self.handle.address().get().set_link_index_filter(self.bridge);
        let mut found =
            all.set_prefix_length_filter(PREFIX).set_address_filter(IpAddr::V4(address)).execute();
        while let Some(message) = found.try_next().await.map_err(refused("look for an address"))? {
            let remove = self.handle.address().del(message);
            remove.execute().await.map_err(refused("remove an address"))?;
        }
        Ok(())
    }
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32, EnvironmentError> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    match links.try_next().await.map_err(refused("look for a link"))? {
        Some(link) => Ok(link.header.index),
        None => Err(refused("look for a link")(format!("there is no {name}"))),
    }
}

fn refused<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> EnvironmentError {
    move |error| EnvironmentError::Sandbox {
        what: what.to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}

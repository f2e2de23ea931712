//! A drill's storage in a local environment: Azurite as a process of the drill, the gateway as a task of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::inside::{count, set_host};
use super::sandbox::STATE;
use crate::environment::protocol::Request;
use crate::environment::{BlobsWanted, EnvironmentError, Storage, StorageError, StorageWanted};
use crate::storage::{
    Authority, Azurite, Blobs, Gateway, GatewaySettings, Requests, Rule, RuleId, RuleState, host_of, is_lost,
};

const AZURITE_PORT: u16 = 10_000;
const BLOBS: &str = "blobs";

pub struct LocalStorage {
    namespace: String,
    azurite: Azurite,
    gateway: Gateway,
    /// Where Azurite keeps its blobs, where it does.
    kept: Option<PathBuf>,
}

impl LocalStorage {
    /// Listens on port 443 of `address`. What Azurite writes lies below the environment's tmpfs, and goes with it.
    pub(super) async fn make(
        wanted: StorageWanted<'_>,
        namespace: &str,
        address: Ipv4Addr,
        authority: &Authority,
    ) -> Result<Self, StorageError> {
        let folder = Path::new(STATE).join("drills").join(namespace).join("azurite");
        std::fs::create_dir_all(&folder)
            .map_err(|source| StorageError::Folder { path: folder.clone(), source })?;
        // An address of its own for each drill too, and one that no pod can reach: all that pods do passes the gateway.
        let [_, rest @ ..] = address.octets();
        let behind = Ipv4Addr::from([127, rest[0], rest[1], rest[2]]);
        let blobs = folder.join(BLOBS);
        match wanted.blobs {
            BlobsWanted::Passing => {}
            BlobsWanted::Kept => make_folder(&blobs)?,
            BlobsWanted::From(kept) => copy_folder(kept, &blobs)?,
        }
        let kept = (wanted.blobs != BlobsWanted::Passing).then_some(blobs.as_path());
        let azurite =
            Azurite::start(wanted.azurite, behind, AZURITE_PORT, wanted.accounts, &folder, kept).await?;
        for account in wanted.accounts {
            for container in wanted.containers {
                Blobs::new(account, azurite.address()).make_container(container).await?;
            }
        }
        let gateway = Gateway::start(GatewaySettings {
            listen: SocketAddr::from((address, 443)),
            upstream: azurite.address(),
            authority,
            accounts: wanted.accounts.iter().map(|account| account.name.clone()).collect(),
            who_is: wanted.who_is,
        })
        .await?;
        let kept = kept.map(Path::to_owned);
        Ok(LocalStorage { namespace: namespace.to_owned(), azurite, gateway, kept })
    }
}

fn make_folder(folder: &Path) -> Result<(), StorageError> {
    let made = std::fs::create_dir_all(folder);
    made.map_err(|source| StorageError::Folder { path: folder.to_owned(), source })
}

/// With all that is in it.
fn copy_folder(from: &Path, to: &Path) -> Result<(), StorageError> {
    make_folder(to)?;
    let failed = |source| StorageError::Folder { path: to.to_owned(), source };
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().map_err(failed)?.is_dir() {
            true => copy_folder(&from, &to)?,
            false => drop(std::fs::copy(&from, &to).map_err(failed)?),
        }
    }
    Ok(())
}

impl Storage for LocalStorage {
    fn blobs_address(&self) -> SocketAddr {
        self.azurite.address()
    }

    fn gateway_address(&self) -> IpAddr {
        self.gateway.address().ip()
    }

    fn failed(&self) -> Option<String> {
        self.azurite.failed().map(|why| format!("run Azurite: {why}"))
    }

    async fn keep(&self, folder: &Path) -> Result<(), StorageError> {
        let Some(kept) = &self.kept else { return Err(StorageError::NoArchives("local")) };
        self.azurite.end().await?;
        copy_folder(kept, folder)
    }

    async fn requests(&self) -> Result<Requests, EnvironmentError> {
        Ok(self.gateway.requests())
    }

    async fn add_rule(&self, rule: Rule) -> Result<RuleId, EnvironmentError> {
        let lost = rule.lost_account().map(host_of);
        let id = self.gateway.add_rule(rule)?;
        if let Some(host) = lost {
            set_host(&self.namespace, &host, false).await?;
        }
        Ok(id)
    }

    async fn end_rule(&self, id: RuleId) -> Result<RuleState, EnvironmentError> {
        let ended = self.gateway.end_rule(id)?;
        if let Some(account) = ended.rule.lost_account()
            && !is_lost(account, &self.gateway.rules())
        {
            set_host(&self.namespace, &host_of(account), true).await?;
        }
        Ok(ended)
    }

    /// Whoever asks for the name of a lost account does not come to the gateway.
    async fn rules(&self) -> Result<Vec<RuleState>, EnvironmentError> {
        let mut rules = self.gateway.rules();
        for state in &mut rules {
            let Some(account) = state.rule.lost_account() else { continue };
            let (namespace, host) = (self.namespace.clone(), host_of(account));
            let asked = count(Request::AskedInVain { namespace, host }).await?;
            state.matched += asked;
            state.hits += asked;
        }
        Ok(rules)
    }
}

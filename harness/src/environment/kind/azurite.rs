//! Azurite as a container on the network of kind's nodes, one for each drill.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio_util::task::AbortOnDropHandle;

use super::error::KindError;
use super::{CLUSTER_LABEL, PLACE_LABEL, docker, network};
use crate::environment::EnvironmentError;
use crate::poll::{Limit, poll};
use crate::storage::{Account, Blobs, azurite};

const PORT: u16 = 10_000;
const START: Duration = Duration::from_secs(120);
const ANSWERS: Limit = Limit::seconds(60);

/// A running container. Dropping it removes it; so does the environment's process when the drill's has ended.
pub(super) struct AzuriteContainer {
    inside: SocketAddr,
    outside: SocketAddr,
    failure: Arc<OnceLock<String>>,
    _watching: AbortOnDropHandle<()>,
    _container: ContainerAsync<GenericImage>,
}

impl AzuriteContainer {
    /// Starts it with these accounts, all blobs in its memory.
    ///
    /// # Errors
    /// When Docker refuses, or it does not answer in a minute.
    pub(super) async fn start(
        image: &str,
        cluster: &str,
        place: &str,
        accounts: &[Account],
    ) -> Result<Self, EnvironmentError> {
        let keys: Vec<String> = accounts.iter().map(Account::for_azurite).collect();
        let (name, tag) = split(image);
        let request = GenericImage::new(name, tag)
            .with_exposed_port(PORT.tcp())
            .with_startup_timeout(START)
            .with_network(network())
            .with_labels([(CLUSTER_LABEL, cluster), (PLACE_LABEL, place)])
            .with_env_var("AZURITE_ACCOUNTS", keys.join(";"))
            // Silent: its access log would hold the signatures of SAS tokens.
            .with_cmd([
                "azurite-blob",
                "--blobHost",
                "0.0.0.0",
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--silent",
            ]);
        let failed = |error: &dyn std::fmt::Display| KindError::Docker {
            what: "run Azurite".to_owned(),
            why: error.to_string(),
        };
        let container = request.start().await.map_err(|error| failed(&error))?;
        let port = container.get_host_port_ipv4(PORT).await.map_err(|error| failed(&error))?;
        let host = container.get_host().await.map_err(|error| failed(&error))?.to_string();
        let outside = tokio::net::lookup_host((host.as_str(), port)).await;
        let outside = outside.ok().and_then(|mut found| found.find(SocketAddr::is_ipv4));
        let outside = outside.ok_or_else(|| failed(&format!("find the Docker host {host}")))?;
        let template = format!("{{{{(index .NetworkSettings.Networks {:?}).IPAddress}}}}", network());
        let inside = docker::inspect(container.id(), &template).await?;
        let inside: Option<IpAddr> = inside.and_then(|address| address.parse().ok());
        let inside =
            inside.ok_or_else(|| failed(&format!("it has no address on the network {}", network())))?;
        let (failure, id) = (Arc::new(OnceLock::new()), container.id().to_owned());
        let into = failure.clone();
        let watching = tokio::spawn(async move {
            let how = docker::end_of(&id).await;
            let lines = docker::last_lines(&id).await.join("\n  ");
            into.get_or_init(|| format!("run Azurite: ended with {how}; its last lines:\n  {lines}"));
        });
        let azurite = AzuriteContainer {
            inside: SocketAddr::from((inside, PORT)),
            outside,
            failure,
            _watching: AbortOnDropHandle::new(watching),
            _container: container,
        };
        azurite.answers(accounts.first()).await?;
        Ok(azurite)
    }

    /// As pods reach it.
    pub(super) fn inside(&self) -> SocketAddr {
        self.inside
    }

    /// As the harness reaches it.
    pub(super) fn outside(&self) -> SocketAddr {
        self.outside
    }

    /// Why it has ended, with its last lines; `None` while it runs. Fits after "failed to".
    pub(super) fn failed(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    async fn answers(&self, first: Option<&Account>) -> Result<(), EnvironmentError> {
        let Some(first) = first else { return Ok(()) };
        let blobs = Blobs::new(first, self.outside);
        let look = async || azurite::look(&blobs, || self.failed()).await.map_err(EnvironmentError::Failed);
        poll(format!("Azurite on {}", self.outside), ANSWERS, look).await.map_err(EnvironmentError::from)
    }
}

/// A reference as its name and its tag.
fn split(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(split("mcr.example/azurite:3.35.0"), ("mcr.example/azurite", "3.35.0"));
        assert_eq!(split("localhost:5000/azurite"), ("localhost:5000/azurite", "latest"));
    }
}

//! The kind environment: a cluster that the kind program makes in Docker, with the operator's and Spilo's images.

mod azurite;
mod cluster;
mod daemon;
mod description;
mod dns;
mod docker;
mod error;
pub mod gateway;
pub mod images;
mod join;
mod logs;
mod names;
mod order;
mod owner;
mod places;
mod program;
mod provided;
mod storage;

pub use daemon::serve;
pub use description::DESCRIPTION;
pub use error::KindError;
pub use join::KindEnvironment;
pub use order::Order;

/// On what Docker knows of a cluster's own: the cluster's name.
pub const CLUSTER_LABEL: &str = "clonedrill.cluster";
/// On the containers of one drill: its namespace.
pub const PLACE_LABEL: &str = "clonedrill.place";
/// On pods of the environment's own in a drill's namespace, which are none of the scenario's.
pub const PART_LABEL: &str = "clonedrill/part";
/// Where kind puts its containers, and people who say so elsewhere.
pub const NETWORK: &str = "KIND_EXPERIMENTAL_DOCKER_NETWORK";
/// The Secret with the authority's certificate, in each drill's namespace.
pub(crate) const AUTHORITY: &str = "clonedrill-authority";
/// A folder that Go reads certificates from besides /etc/ssl/certs (crypto/x509, root_linux.go).
pub(crate) const CERTIFICATES: &str = "/etc/pki/tls/certs";

/// The Docker network of kind's nodes.
pub(crate) fn network() -> String {
    std::env::var(NETWORK).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "kind".to_owned())
}

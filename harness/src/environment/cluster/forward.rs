//! A port of a pod on an address of this machine, through the API server: the one way in that every cluster has.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::error::ClusterError;
use crate::poll::{Limit, Retry};

/// How long connections may fail to come before the log says so once more.
const ACCEPT: Limit = Limit::seconds(30);

/// A port of a pod that is forwarded for as long as this lives. Each connection to it is one to the pod.
pub struct Forward {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Forward {
    /// Listens on a free port of 127.0.0.1 for connections to `port` of `pod`. `streams` is a client whose requests may
    /// go on for ever.
    ///
    /// # Errors
    /// When no port can be had here. Whether the pod answers, its first connection shows.
    pub async fn to(streams: Client, namespace: &str, pod: &str, port: u16) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::Forward { pod: pod.to_owned(), source };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let pods: Api<Pod> = Api::namespaced(streams, namespace);
        let pod = pod.to_owned();
        let serve = async move {
            // Dropping the set ends its connections.
            let mut connections = tokio::task::JoinSet::new();
            let mut retry = Retry::new("a connection to a forwarded port", ACCEPT);
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            retry.succeeded();
                            connections.spawn(connection(pods.clone(), pod.clone(), port, stream));
                        }
                        // Without a descriptor left, the next one fails as well.
                        Err(error) => {
                            tracing::warn!(%error, "a connection to a forwarded port was lost");
                            if let Err(late) = retry.failed(error.to_string()).await {
                                tracing::error!("failed to {late}");
                            }
                        }
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        };
        Ok(Forward { address, _task: AbortOnDropHandle::new(tokio::spawn(serve)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Moves the bytes of one connection. That it failed, its user sees when it ends.
async fn connection(pods: Api<Pod>, pod: String, port: u16, mut stream: TcpStream) {
    // Else each answer waits for its acknowledgement: 40 ms for every query.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, pod, "a forwarded connection waits for acknowledgements");
    }
    let mut forwarded = match pods.portforward(&pod, &[port]).await {
        Ok(forwarded) => forwarded,
        Err(error) => return tracing::warn!(%error, pod, "the port could not be forwarded"),
    };
    let Some(mut there) = forwarded.take_stream(port) else { return };
    let refused = forwarded.take_error(port);
    tokio::select! {
        moved = tokio::io::copy_bidirectional(&mut stream, &mut there) => {
            if let Err(error) = moved {
                tracing::debug!(%error, pod, "a forwarded connection ended");
            }
        }
        Some(why) = async { match refused { Some(refused) => refused.await, None => std::future::pending().await } } => {
            tracing::warn!(why, pod, "the node does not forward the port");
        }
    }
}

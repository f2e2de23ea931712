//! The environment's own process: brings the parts up, gives drills their places, ends with its owner.

mod places;
mod published;

use std::net::IpAddr;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Endpoints;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use tokio::net::UnixListener;
use tokio::sync::watch;

use self::places::Places;
pub use self::published::Published;
use super::control_plane::ControlPlane;
use super::description::DESCRIPTION;
use super::dns::{self, StorageHosts, Zones};
use super::images::ImageStore;
use super::network::{API_SERVER, BRIDGE, DNS, Network};
use super::node::{Node, NodeSettings};
use super::sandbox::{Keep, STATE};
use crate::environment::EnvironmentError;
use crate::environment::door::{Door, State, listener};
use crate::environment::protocol::INNER;
use crate::storage::Authority;
use crate::toolchain::Tools;

/// Serves an environment until it is asked to end, or a part of it fails. Call it inside the sandbox. `keep` is
/// told when somebody asks for the environment to outlive its owner; `published` is where clients outside reach it.
///
/// # Errors
/// The part that did not come up, or that ended by itself.
pub async fn serve(
    tools: Tools,
    outer: StdListener,
    published: Option<Published>,
    keep: Keep,
) -> Result<(), EnvironmentError> {
    let published = published.map(Arc::new);
    let told = keep;
    let (door, asked) = Door::new(&DESCRIPTION, "the control plane", move || told.tell());
    let opened = async |places: Arc<Places>| {
        let inner = UnixListener::bind(INNER).map_err(sockets)?;
        Err(door.opened(places, inner).await)
    };
    let outer = listener(outer)?;
    let served = tokio::select! {
        // Those who wait are answered from the first moment on, so that they can say what they wait for.
        error = door.accept(outer) => Err(error),
        error = run(&tools, door.state(), published.clone(), opened) => error,
        error = serve_outside(published.as_deref()) => Err(error),
        () = asked.down() => Ok(()),
    };
    if let Err(error) = &served {
        // With this process everything ends, also those who would have said why.
        door.failed(error).await;
    }
    served
}

async fn serve_outside(published: Option<&Published>) -> EnvironmentError {
    match published {
        Some(published) => published.serve().await,
        None => std::future::pending().await,
    }
}

/// Brings everything up, opens for drills, and comes back with the first part that ends.
async fn run(
    tools: &Tools,
    state: &watch::Sender<State>,
    published: Option<Arc<Published>>,
    opened: impl AsyncFnOnce(Arc<Places>) -> Result<(), EnvironmentError>,
) -> Result<(), EnvironmentError> {
    let folder = Path::new(STATE);
    let authority = Authority::new()?;
    let network = Network::make().await?;
    let control_plane = Arc::new(ControlPlane::start(tools, &authority, folder).await?);
    let rest = async {
        let client = control_plane.client();
        state.send_replace(State::starting("the node"));
        let node = Node::start(NodeSettings {
            client: client.clone(),
            images: ImageStore::new(tools.clone()),
            bridge: BRIDGE.to_owned(),
            state: folder.join("node"),
            authority: authority.clone(),
            kubelet_client_pem: control_plane.kubelet_client_pem().to_owned(),
            dns: DNS,
            self_exe: own_program()?,
            api_server: API_SERVER,
            api_server_port: 443,
        })
        .await?;
        let node = Arc::new(node);
        state.send_replace(State::starting("DNS"));
        let storage = Arc::new(StorageHosts::default());
        let asked = node.clone();
        let (endpoints, following) = follow_endpoints(client);
        let zones = Zones {
            endpoints,
            storage: storage.clone(),
            namespace_of: Arc::new(move |address: IpAddr| asked.namespace_of(address)),
        };
        let dns = dns::serve(zones).await?;
        let places = Places::new(control_plane.clone(), network, node.clone(), storage, authority, published);
        tokio::select! {
            ended = opened(Arc::new(places)) => ended,
            error = node.end() => Err(error.into()),
            why = dns::end(dns) => Err(part("DNS", why)),
            () = following => Err(part("DNS", "it no longer hears of endpoints")),
        }
    };
    // A part that has ended is named at once, rather than by those who then wait for it in vain.
    tokio::select! {
        error = control_plane.end() => Err(error),
        ended = rest => ended,
    }
}

fn part(part: &str, why: impl Into<String>) -> EnvironmentError {
    EnvironmentError::Part { part: part.to_owned(), why: why.into(), log: Vec::new() }
}

fn follow_endpoints(client: kube::Client) -> (reflector::Store<Endpoints>, impl Future<Output = ()>) {
    let (store, writer) = reflector::store();
    let events = watcher(kube::Api::<Endpoints>::all(client), watcher::Config::default());
    let stream = events.default_backoff().reflect(writer);
    (store, futures::StreamExt::for_each(stream, |_| std::future::ready(())))
}

fn own_program() -> Result<std::path::PathBuf, EnvironmentError> {
    std::env::current_exe()
        .map_err(|source| EnvironmentError::Sandbox { what: "find the own program".to_owned(), source })
}

fn sockets(source: std::io::Error) -> EnvironmentError {
    EnvironmentError::Sandbox { what: "listen for drills".to_owned(), source }
}

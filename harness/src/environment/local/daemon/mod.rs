//! The environment's own process: brings the parts up, gives drills their places, ends with its owner.

mod places;
pub mod protocol;
mod published;

use std::net::IpAddr;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Endpoints;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use nix::unistd::geteuid;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use self::places::Places;
use self::protocol::{INNER, Request, Response};
pub use self::published::Published;
use super::control_plane::ControlPlane;
use super::dns::{self, StorageHosts, Zones};
use super::images::ImageStore;
use super::network::{API_SERVER, BRIDGE, DNS, Network};
use super::node::{Node, NodeSettings};
use super::sandbox::{Keep, STATE};
use crate::environment::EnvironmentError;
use crate::poll::{Limit, Patience};
use crate::secret::Secret;
use crate::storage::Authority;
use crate::toolchain::Tools;

/// A process that asked may be stopped or very slow; the end does not wait for it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long no connection at all may be acceptable.
const ACCEPT: Limit = Limit::seconds(30);

/// What those who wait for the environment are told.
#[derive(Debug, Clone)]
enum State {
    Starting(&'static str),
    Ready,
    Failed(String),
}

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
    let (state, states) = watch::channel(State::Starting("the control plane"));
    let (down, mut asked_down) = watch::channel(false);
    let (environment, environments) = watch::channel(None);
    let listener = UnixListener::from_std(outer).map_err(sockets)?;
    let outside = TaskTracker::new();
    let keep = Arc::new(keep);
    let published = published.map(Arc::new);
    let answers = outside.clone();
    let door = Door { states, environment: environments, down, keep, published: published.clone(), answers };
    let inside = Door { answers: TaskTracker::new(), ..door.clone() };
    let opened = async |places: Arc<Places>| {
        let inner = UnixListener::bind(INNER).map_err(sockets)?;
        environment.send_replace(Some(places));
        state.send_replace(State::Ready);
        Err(accept(inner, inside).await)
    };
    let served = tokio::select! {
        // Those who wait are answered from the first moment on, so that they can say what they wait for.
        error = accept(listener, door) => Err(error),
        error = run(&tools, &state, opened) => error,
        error = serve_outside(published.as_deref()) => Err(error),
        _ = asked_down.wait_for(|down| *down) => Ok(()),
    };
    if let Err(error) = &served {
        state.send_replace(State::Failed(error.to_string()));
        // With this process everything ends, also those who would have said why.
        outside.close();
        let _ = tokio::time::timeout(LAST_WORDS, outside.wait()).await;
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
    opened: impl AsyncFnOnce(Arc<Places>) -> Result<(), EnvironmentError>,
) -> Result<(), EnvironmentError> {
    let folder = Path::new(STATE);
    let authority = Authority::new()?;
    let network = Network::make().await?;
    let control_plane = Arc::new(ControlPlane::start(tools, &authority, folder).await?);
    let rest = async {
        let client = control_plane.client();
        state.send_replace(State::Starting("the node"));
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
        state.send_replace(State::Starting("DNS"));
        let storage = Arc::new(StorageHosts::default());
        let asked = node.clone();
        let (endpoints, following) = follow_endpoints(client);
        let zones = Zones {
            endpoints,
            storage: storage.clone(),
            namespace_of: Arc::new(move |address: IpAddr| asked.namespace_of(address)),
        };
        let dns = dns::serve(zones).await?;
        let places = Places::new(control_plane.clone(), network, node.clone(), storage, authority);
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

/// What a connection may ask of.
#[derive(Clone)]
struct Door {
    states: watch::Receiver<State>,
    environment: watch::Receiver<Option<Arc<Places>>>,
    down: watch::Sender<bool>,
    keep: Arc<Keep>,
    published: Option<Arc<Published>>,
    /// The connections that are being answered.
    answers: TaskTracker,
}

/// Never comes back while connections can be accepted. Without descriptors, say, none can for a while.
async fn accept(listener: UnixListener, door: Door) -> EnvironmentError {
    let again = || Patience::new("a connection to be accepted", ACCEPT);
    let mut patience = again();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                patience = again();
                // An abstract name has no permissions of its own.
                let peer = stream.peer_cred();
                if peer.is_ok_and(|peer| peer.uid() == geteuid().as_raw() || peer.uid() == 0) {
                    door.answers.spawn(answer(stream, door.clone()));
                }
            }
            Err(error) => {
                if let Err(late) = patience.pause(error.to_string()).await {
                    return late.into();
                }
            }
        }
    }
}

async fn answer(stream: UnixStream, mut door: Door) -> Result<(), EnvironmentError> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let Some(request) = protocol::read::<Request>(&mut from).await? else { return Ok(()) };
    if matches!(request, Request::AwaitReady) {
        return tokio::select! {
            told = tell_states(&mut to, &mut door.states) => told,
            // Nothing more is asked here, so this is the other side's end.
            _ = from.read_u8() => Ok(()),
        };
    }
    if matches!(request, Request::Down) {
        protocol::write(&mut to, &Response::Done).await?;
        door.down.send_replace(true);
        return Ok(());
    }
    if matches!(request, Request::Keep) {
        door.keep.tell()?;
        return protocol::write(&mut to, &Response::Done).await;
    }
    let Some(places) = door.environment.borrow().clone() else {
        return protocol::write(&mut to, &Response::Failed { why: "it is not ready yet".to_owned() }).await;
    };
    if let Request::Join { namespaces, tools } = request {
        return places.lease(namespaces, *tools, &mut from, &mut to).await;
    }
    if matches!(request, Request::Kubeconfig) {
        return protocol::write(&mut to, &kubeconfig(&places, door.published.as_deref())).await;
    }
    let response = tokio::select! {
        response = places.answer(request) => response,
        // Nothing more is said, so this is the end of who asked, and nobody wants an answer.
        _ = from.read_u8() => return Ok(()),
    };
    protocol::write(&mut to, &response.unwrap_or_else(|error| Response::Failed { why: error.to_string() }))
        .await
}

fn kubeconfig(places: &Places, published: Option<&Published>) -> Response {
    match published {
        Some(published) => Response::Kubeconfig { kubeconfig: Secret::new(places.kubeconfig_for(published)) },
        None => {
            Response::Failed { why: "it is not reached from outside, only what `up` started is".to_owned() }
        }
    }
}

/// Until the environment fails; it may do so long after it was ready.
async fn tell_states(
    to: &mut tokio::net::unix::OwnedWriteHalf,
    states: &mut watch::Receiver<State>,
) -> Result<(), EnvironmentError> {
    loop {
        let state = states.borrow_and_update().clone();
        match state {
            State::Starting(doing) => {
                protocol::write(to, &Response::Starting { doing: doing.to_owned() }).await?
            }
            State::Ready => protocol::write(to, &Response::Ready).await?,
            State::Failed(why) => return protocol::write(to, &Response::Failed { why }).await,
        }
        if states.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn own_program() -> Result<std::path::PathBuf, EnvironmentError> {
    std::env::current_exe()
        .map_err(|source| EnvironmentError::Sandbox { what: "find the own program".to_owned(), source })
}

fn sockets(source: std::io::Error) -> EnvironmentError {
    EnvironmentError::Sandbox { what: "listen for drills".to_owned(), source }
}

//! Where an environment's process is spoken to: connections, one request each, and what those who wait are told.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use rand::Rng;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::protocol::{self, Place, Request, Response};
use super::{Description, EnvironmentError};
use crate::poll::{Limit, Retry};
use crate::toolchain::Tools;

/// A process that asked may be stopped or very slow; the end does not wait for it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long no connection at all may be acceptable.
const ACCEPT: Limit = Limit::seconds(30);

/// What those who wait for the environment are told.
#[derive(Debug, Clone)]
pub(super) enum State {
    Starting(String),
    Ready,
    Failed(String),
}

impl State {
    pub(super) fn starting(doing: impl Into<String>) -> Self {
        State::Starting(doing.into())
    }
}

/// Who gives drills their places in an environment that is ready.
pub(super) trait Places: Send + Sync + 'static {
    /// Makes a place of these namespaces, tells it as a [`Place`], and removes it when the other side has closed. The
    /// first is the place's own, and gets a name where there is none.
    ///
    /// # Errors
    /// When the other side has gone before it heard of its place.
    fn lease(
        &self,
        namespaces: Vec<String>,
        tools: Tools,
        from: &mut BufReader<OwnedReadHalf>,
        to: &mut OwnedWriteHalf,
    ) -> impl Future<Output = Result<(), EnvironmentError>> + Send;

    /// What is asked of a place.
    ///
    /// # Errors
    /// When it cannot be done.
    fn answer(&self, request: Request) -> impl Future<Output = Result<Response, EnvironmentError>> + Send;

    /// The kubeconfig with full rights for who comes from outside, or why there is none.
    fn kubeconfig(&self) -> Response;
}

/// Every connection goes through it.
pub(super) struct Door<P> {
    inner: Shared<P>,
    state: watch::Sender<State>,
    opened: watch::Sender<Option<Arc<P>>>,
    /// Those of processes that are not the environment's own, which it cannot take along at its end.
    outside: TaskTracker,
}

struct Shared<P> {
    states: watch::Receiver<State>,
    places: watch::Receiver<Option<Arc<P>>>,
    down: watch::Sender<bool>,
    /// How long the end may take.
    gone: Limit,
    keep: Arc<dyn Fn() -> Result<(), EnvironmentError> + Send + Sync>,
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Shared {
            states: self.states.clone(),
            places: self.places.clone(),
            down: self.down.clone(),
            gone: self.gone,
            keep: self.keep.clone(),
        }
    }
}

/// What was asked of the environment as a whole.
pub(super) struct Asked {
    down: watch::Receiver<bool>,
}

impl Asked {
    /// Waits until somebody asks for the end.
    pub(super) async fn down(mut self) {
        if self.down.wait_for(|down| *down).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl<P: Places> Door<P> {
    /// `doing` is what the environment, which is described, starts with; `keep` is called when somebody asks for the environment to outlive
    /// its owner.
    pub(super) fn new(
        described: &Description,
        doing: &str,
        keep: impl Fn() -> Result<(), EnvironmentError> + Send + Sync + 'static,
    ) -> (Self, Asked) {
        let (state, states) = watch::channel(State::starting(doing));
        let (down, asked) = watch::channel(false);
        let (opened, places) = watch::channel(None);
        let inner = Shared { states, places, down, gone: described.gone, keep: Arc::new(keep) };
        (Door { inner, state, opened, outside: TaskTracker::new() }, Asked { down: asked })
    }

    pub(super) fn state(&self) -> &watch::Sender<State> {
        &self.state
    }

    /// Answers whoever comes to the outer socket. Comes back only when no connection can be accepted.
    pub(super) async fn accept(&self, listener: UnixListener) -> EnvironmentError {
        accept(listener, &self.inner, &self.outside).await
    }

    /// From now on there are places, and the environment is ready.
    pub(super) fn ready(&self, places: Arc<P>) {
        self.opened.send_replace(Some(places));
        self.state.send_replace(State::Ready);
    }

    /// The same, with a socket inside too.
    pub(super) async fn opened(&self, places: Arc<P>, inside: UnixListener) -> EnvironmentError {
        self.ready(places);
        accept(inside, &self.inner, &TaskTracker::new()).await
    }

    /// Tells those who wait, and gives them a moment to hear it.
    pub(super) async fn failed(&self, error: &EnvironmentError) {
        self.state.send_replace(State::Failed(error.to_string()));
        self.outside.close();
        let _ = tokio::time::timeout(LAST_WORDS, self.outside.wait()).await;
    }
}

/// A name for a drill's namespace.
pub(super) fn namespace() -> String {
    format!("drill-{:06x}", rand::rng().random_range(0..0x0100_0000))
}

/// Tells who asked of the place, or why there is none, and comes back when the place is no longer wanted.
///
/// # Errors
/// When the other side has gone before it heard.
pub(super) async fn held(
    made: Result<Place, EnvironmentError>,
    from: &mut BufReader<OwnedReadHalf>,
    to: &mut OwnedWriteHalf,
) -> Result<(), EnvironmentError> {
    match made {
        Ok(place) => {
            protocol::write(to, &Response::Joined(Box::new(place))).await?;
            // Nothing more is said on this connection: its end is what is waited for.
            let _ = from.read_u8().await;
            Ok(())
        }
        Err(error) => protocol::write(to, &Response::Failed { why: error.to_string() }).await,
    }
}

/// The outer socket, which was bound before there was a runtime.
///
/// # Errors
/// When it cannot be listened on.
pub(super) fn listener(outer: StdListener) -> Result<UnixListener, EnvironmentError> {
    let listening = |source| EnvironmentError::Sandbox { what: "listen for drills".to_owned(), source };
    UnixListener::from_std(outer).map_err(listening)
}

/// Never comes back while connections can be accepted. Without descriptors, say, none can for a while.
async fn accept<P: Places>(
    listener: UnixListener,
    shared: &Shared<P>,
    answers: &TaskTracker,
) -> EnvironmentError {
    let mut retry = Retry::new("a connection to be accepted", ACCEPT);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                retry.succeeded();
                // An abstract name has no permissions of its own.
                let peer = stream.peer_cred();
                if peer.is_ok_and(|peer| peer.uid() == geteuid().as_raw() || peer.uid() == 0) {
                    answers.spawn(answer(stream, shared.clone()));
                }
            }
            Err(error) => {
                if let Err(late) = retry.failed(error.to_string()).await {
                    return late.into();
                }
            }
        }
    }
}

async fn answer<P: Places>(stream: UnixStream, mut shared: Shared<P>) -> Result<(), EnvironmentError> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let Some(request) = protocol::read::<Request>(&mut from).await? else { return Ok(()) };
    if matches!(request, Request::AwaitReady) {
        return tokio::select! {
            told = tell_states(&mut to, &mut shared.states) => told,
            // Nothing more is asked here, so this is the other side's end.
            _ = from.read_u8() => Ok(()),
        };
    }
    if matches!(request, Request::Down) {
        protocol::write(&mut to, &Response::Ending { seconds: shared.gone.total.as_secs() }).await?;
        shared.down.send_replace(true);
        return Ok(());
    }
    if matches!(request, Request::Keep) {
        (shared.keep)()?;
        return protocol::write(&mut to, &Response::Done).await;
    }
    let Some(places) = shared.places.borrow().clone() else {
        return protocol::write(&mut to, &Response::Failed { why: "it is not ready yet".to_owned() }).await;
    };
    if let Request::Join { namespaces, tools } = request {
        return places.lease(namespaces, *tools, &mut from, &mut to).await;
    }
    if matches!(request, Request::Kubeconfig) {
        return protocol::write(&mut to, &places.kubeconfig()).await;
    }
    let response = tokio::select! {
        response = places.answer(request) => response,
        // Nothing more is said, so this is the end of who asked, and nobody wants an answer.
        _ = from.read_u8() => return Ok(()),
    };
    protocol::write(&mut to, &response.unwrap_or_else(|error| Response::Failed { why: error.to_string() }))
        .await
}

/// Until the environment fails; it may do so long after it was ready.
async fn tell_states(
    to: &mut OwnedWriteHalf,
    states: &mut watch::Receiver<State>,
) -> Result<(), EnvironmentError> {
    loop {
        let state = states.borrow_and_update().clone();
        match state {
            State::Starting(doing) => protocol::write(to, &Response::Starting { doing }).await?,
            State::Ready => protocol::write(to, &Response::Ready).await?,
            State::Failed(why) => return protocol::write(to, &Response::Failed { why }).await,
        }
        if states.changed().await.is_err() {
            return Ok(());
        }
    }
}

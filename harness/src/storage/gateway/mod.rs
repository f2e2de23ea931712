//! The gateway before Azurite: `https://<account>.blob.core.windows.net` with a certificate that pods trust, and a
//! record of who asked for what.
//!
//! Azurite behind it speaks plain HTTP, so a SAS token that is limited to `spr=https` is refused there.

mod accept;
mod access;
mod act;
mod body;
mod certificates;
mod forward;
mod listing;
mod operation;
mod records;
mod rule;
mod rules;
mod signature;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::accept::accept;
use self::certificates::Certificates;
use self::forward::Forwarder;
use self::records::Records;
use self::rules::Rules;
use super::authority::{Authority, AuthorityError};

pub use access::{Access, Asker, Who};
pub use certificates::WrongCertificate;
pub use listing::Listing;
pub use operation::{Effect, Operation};
pub use records::{Requests, WhoIs};
pub use rule::{Accounts, Act, Answer, Asking, Change, Moment, Often, Pattern, Rule, RuleError, Selection};
pub use rules::{RuleId, RuleState, is_lost};

/// How long open connections may take to end what they are at.
const STOP_LIMIT: Duration = Duration::from_secs(2);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What a gateway needs.
pub struct GatewaySettings<'a> {
    /// Port 443 of the drill's gateway address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Azurite.
    pub upstream: SocketAddr,
    /// Signs the gateway's certificate.
    pub authority: &'a Authority,
    /// The storage accounts that there are.
    pub accounts: BTreeSet<String>,
    /// Asked for each connection's address.
    pub who_is: WhoIs,
}

/// A running gateway. Dropping it takes no more requests; [`Gateway::stop`] also waits for those that go on.
pub struct Gateway {
    address: SocketAddr,
    records: Records,
    rules: Rules,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It could not be signed.
    #[error("make the storage gateway's certificate: {0}")]
    Authority(#[from] AuthorityError),
    /// The TLS library does not take it.
    #[error("use the storage gateway's certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// The text is no certificate or key in PEM.
    #[error("read the storage gateway's certificate: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Its address makes no URI.
    #[error("name the storage behind the gateway: {0}")]
    Upstream(#[from] hyper::http::uri::InvalidUri),
    /// The port is taken, or may not be used.
    #[error("listen on {address} for the storage gateway: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl Gateway {
    /// Starts a gateway, which listens when this returns.
    ///
    /// # Errors
    /// When the certificate cannot be made or the address is not free.
    pub async fn start(settings: GatewaySettings<'_>) -> Result<Gateway, GatewayError> {
        let listen_error = |source| GatewayError::Listen { address: settings.listen, source };
        let certificates = Arc::new(Certificates::make(settings.authority, settings.listen.ip())?);
        let listener = TcpListener::bind(settings.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let records = Records::new(settings.who_is);
        let upstream = settings.upstream.to_string().parse()?;
        let stopping = CancellationToken::new();
        let rules = Rules::new(settings.accounts, stopping.clone());
        let forwarder = Arc::new(Forwarder::new(upstream, rules.clone(), records.clone()));
        let gateway = Gateway { address, records, rules, stopping, tasks: TaskTracker::new() };
        let (tasks, stopping) = (gateway.tasks.clone(), gateway.stopping.clone());
        let served = move |stream, peer: SocketAddr| {
            tasks.spawn(serve(certificates.clone(), stream, peer.ip(), forwarder.clone(), stopping.clone()));
        };
        gateway.tasks.spawn(accept(listener, gateway.stopping.clone(), served));
        Ok(gateway)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far in the order of their arrival, those that are still going on included.
    pub fn records(&self) -> Vec<Access> {
        self.records.snapshot()
    }

    /// All requests so far, and whether all are done.
    pub fn requests(&self) -> Requests {
        match self.records.at_rest() {
            Some(accesses) => Requests { accesses, at_rest: true },
            None => Requests { accesses: self.records.snapshot(), at_rest: false },
        }
    }

    /// From now on this rule decides before all that were added earlier.
    ///
    /// # Errors
    /// When it could never act as it says.
    pub fn add_rule(&self, rule: Rule) -> Result<RuleId, RuleError> {
        self.rules.add(rule)
    }

    /// From now on this rule decides nothing; requests that it holds back end.
    ///
    /// # Errors
    /// When no such rule acts.
    pub fn end_rule(&self, id: RuleId) -> Result<RuleState, RuleError> {
        self.rules.end(id)
    }

    /// All rules that there ever were, the oldest first, and what became of each so far.
    pub fn rules(&self) -> Vec<RuleState> {
        self.rules.states()
    }

    /// Takes no more requests, waits up to 2 s for those that are going on, and returns all records.
    pub async fn stop(&self) -> Vec<Access> {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests to the storage gateway were still going on when it ended");
        }
        self.records.snapshot()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn serve(
    certificates: Arc<Certificates>,
    stream: TcpStream,
    source: IpAddr,
    forwarder: Arc<Forwarder>,
    stopping: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%source, %error, "answers of the storage gateway may wait for more bytes");
    }
    let handshake = async {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let host = start.client_hello().server_name().unwrap_or_default().to_owned();
        let account = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let decided = forwarder.on_connection(source, account.clone()).await;
        let rule = decided.as_ref().map(|decision| decision.rule.clone());
        let taken = start.into_stream(certificates.shown(decided)).await;
        if taken.as_ref().is_err_and(certificates::is_refusal) {
            forwarder.certificate_refused(source, account, rule.as_deref());
        }
        taken
    };
    let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%source, %error, "no TLS with the storage gateway"),
        Err(_) => return tracing::debug!(%source, "no TLS with the storage gateway in time"),
    };
    let service = service_fn(move |request| {
        let forwarder = forwarder.clone();
        async move { forwarder.answer(source, request).await }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients that just go away are no news; what they asked for is on record.
    if let Err(error) = ended {
        tracing::debug!(%source, %error, "a connection to the storage gateway broke");
    }
}

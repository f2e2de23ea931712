//! What kubelet serves on its port, as far as it is served here: containers' logs, and ports of pods for who speaks
//! websockets. It answers the API server alone.

mod forward;
mod logs;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::forward::Forwarding;
use super::error::NodeError;
use super::shared::Shared;
use crate::poll::{Limit, Retry, within};
use crate::storage::{Authority, AuthorityError, Request as CertificateRequest, Usage};

/// Kubelet's own.
pub(super) const PORT: u16 = 10_250;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long no connection at all may be acceptable.
const ACCEPT: Limit = Limit::seconds(30);

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Why there is no kubelet's port.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// It could not be signed.
    #[error("make the kubelet's certificate: {0}")]
    Authority(#[from] AuthorityError),
    /// The TLS library does not take it.
    #[error("use the kubelet's certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// The text is no certificate or key in PEM.
    #[error("read the kubelet's certificate: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The authority's certificate is none that clients could be checked by.
    #[error("know the kubelet's client: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The port is taken, or may not be used.
    #[error("listen on the kubelet's port: {0}")]
    Listen(std::io::Error),
}

/// It listens; nothing is answered before [`Kubelet::serve`].
pub(super) struct Kubelet {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// Of all whom the authority vouches for, the one that may ask.
    client: Arc<CertificateDer<'static>>,
}

impl Kubelet {
    /// `client_pem` is the certificate of the only client.
    ///
    /// # Errors
    /// When the certificates cannot be used or the port is not free.
    pub(super) async fn listen(
        address: Ipv4Addr,
        authority: &Authority,
        client_pem: &str,
    ) -> Result<Self, KubeletError> {
        let client = Arc::new(CertificateDer::from_pem_slice(client_pem.as_bytes())?);
        let acceptor = TlsAcceptor::from(Arc::new(tls(authority, address)?));
        let listener = TcpListener::bind((address, PORT)).await.map_err(KubeletError::Listen)?;
        Ok(Kubelet { listener, acceptor, client })
    }

    /// Comes back only when it cannot go on.
    pub(super) async fn serve(self, shared: Arc<Shared>) -> NodeError {
        let mut retry = Retry::new("a connection to the kubelet's port", ACCEPT);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        retry.succeeded();
                        let (acceptor, client) = (self.acceptor.clone(), self.client.clone());
                        connections.spawn(serve_connection(stream, acceptor, client, shared.clone()));
                    }
                    Err(error) => if let Err(late) = retry.failed(error.to_string()).await {
                        return late.into();
                    },
                },
                Some(ended) = connections.join_next() => if let Err(error) = ended {
                    return NodeError::Ended(format!("a connection to the kubelet's port: {error}"));
                },
            }
        }
    }
}

fn tls(authority: &Authority, address: Ipv4Addr) -> Result<ServerConfig, KubeletError> {
    let issued = authority.issue(&CertificateRequest {
        common_name: format!("system:node:{}", super::NODE_NAME),
        organization: Some("system:nodes".to_owned()),
        dns_names: Vec::new(),
        addresses: vec![address.into()],
        usage: Usage::Server,
    })?;
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.reveal().as_bytes())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn serve_connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    client: Arc<CertificateDer<'static>>,
    shared: Arc<Shared>,
) {
    // Else the end of each answer that is forwarded waits for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "no connection to the kubelet's port");
    }
    let stream = match within("the kubelet's client", HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS with the kubelet's port"),
        Err(error) => return tracing::debug!(%error, "no TLS with the kubelet's port"),
    };
    let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let known = peer == Some(client.as_ref());
    // A request for ports takes the whole connection over, once it has been answered.
    let forwarding: Arc<Mutex<Option<Forwarding>>> = Arc::default();
    let service = service_fn(|request| {
        let (shared, forwarding) = (shared.clone(), forwarding.clone());
        async move {
            Ok::<_, Infallible>(match known {
                true => answer(request, &shared, &forwarding),
                false => refusal(StatusCode::FORBIDDEN, "only the API server may ask here"),
            })
        }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, "a connection to the kubelet's port broke");
    }
    let taken_over = forwarding.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(forwarding) = taken_over {
        forwarding.run().await;
    }
}

fn answer(
    mut request: Request<Incoming>,
    shared: &Shared,
    taken_over: &Mutex<Option<Forwarding>>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["containerLogs", namespace, pod, container] if request.method() == Method::GET => {
            logs::answer(&shared.logs, namespace, pod, container, request.uri().query())
        }
        ["portForward", namespace, pod] => match forward::answer(&mut request, shared, namespace, pod) {
            Ok((response, forwarding)) => {
                taken_over.lock().unwrap_or_else(PoisonError::into_inner).replace(forwarding);
                response
            }
            Err((status, why)) => refusal(status, &why),
        },
        ["exec" | "attach" | "run", ..] => refusal(
            StatusCode::NOT_IMPLEMENTED,
            "the node of the local environment serves logs and ports only",
        ),
        _ => refusal(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{why}\n"))).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

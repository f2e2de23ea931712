//! One request to somebody's address, whose answer counts by its status only.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::poll::{TimedOut, done_within};

/// Nobody waits longer for those who are told.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A request that did not succeed. The address is in none of the texts: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Without them no `https` server can be trusted.
    #[error("read the system's certificate authorities: {0}")]
    Authorities(std::io::Error),
    /// The address or a header cannot stand in a request.
    #[error("make the request: {0}")]
    Request(#[from] http::Error),
    /// No connection, or none that lasted until the answer; all causes in one line.
    #[error("reach the server: {0}")]
    Connection(String),
    /// The answer's status is none of 2xx; redirects are not followed.
    #[error("have it accepted: the server answered {0}")]
    Refused(StatusCode),
    /// No answer came in time.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
}

/// Sends `body` by POST, once. Redirects are not followed: what stands in the address is meant for that server.
///
/// # Errors
/// When the answer is none of 2xx, or does not come within `limit`.
pub(super) async fn post(
    whose: &str,
    address: Uri,
    content_type: &str,
    body: String,
    limit: Duration,
) -> Result<(), RequestError> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(address)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::USER_AGENT, concat!("clonedrill/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))?;
    let answer = async {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(RequestError::Authorities)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let answer =
            client.request(request).await.map_err(|error| RequestError::Connection(causes(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(RequestError::Refused(status)),
        }
    };
    done_within(format!("the answer of the {whose}"), limit, answer).await
}

/// An error with its causes: the outermost text says only that the client failed.
fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! One request on its way to Azurite, and the answer on its way back.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, UPGRADE};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;

use super::access::Access;
use super::decision::{Decision, decide};
use super::records::{Record, Records};
use super::target::Target;

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

const ERROR_CODE: &str = "x-ms-error-code";
/// Azurite closes idle connections after 5 s; one that is about to be closed must not be used again.
const IDLE: Duration = Duration::from_secs(2);
/// They are about one connection, not about the request (RFC 9110, 7.6.1).
const OF_ONE_CONNECTION: [HeaderName; 3] = [CONNECTION, HeaderName::from_static("keep-alive"), UPGRADE];

/// The way to Azurite. One for all connections.
pub(super) struct Forwarder {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    accounts: BTreeSet<String>,
    records: Records,
}

impl Forwarder {
    pub(super) fn new(upstream: Authority, accounts: BTreeSet<String>, records: Records) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Forwarder { client, upstream, accounts, records }
    }

    /// Answers one request, and writes it down.
    pub(super) async fn answer(
        &self,
        source: IpAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let access = self.access(source, &head);
        let decision = decide(&access, &self.accounts);
        // What a copy reads is read, although nobody asks that account.
        let source_of_copy = Target::copied_by(&head).map(|target| of_target(access.clone(), target));
        let record = self.records.add(access);
        let source_of_copy = source_of_copy.map(|access| self.records.add(access));
        let answer = match decision {
            Decision::Forward => self.forward(head, body, &record).await,
            Decision::Refuse { status, code, message } => refusal(status, code, message),
        };
        let error_code =
            answer.headers().get(ERROR_CODE).and_then(|code| code.to_str().ok()).map(str::to_owned);
        if let Some(reading) = source_of_copy {
            reading.answered(answer.status().as_u16(), error_code.clone());
        }
        record.answered(answer.status().as_u16(), error_code);
        let counting = move |bytes| record.sent(bytes);
        Ok(answer.map(|body| counted(body, counting)))
    }

    fn access(&self, source: IpAddr, head: &Parts) -> Access {
        let target = Target::of(head);
        Access {
            time: Timestamp::now(),
            source,
            who: self.records.who_is(source),
            account: target.account,
            container: target.container,
            blob: target.blob,
            prefix: target.prefix,
            operation: target.operation,
            status: None,
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Everything that a signature covers stays as it is: method, path, query, and all headers of the request itself.
    async fn forward(&self, mut head: Parts, body: Incoming, record: &Arc<Record>) -> Response<Body> {
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri =
            Uri::builder().scheme(Scheme::HTTP).authority(self.upstream.clone()).path_and_query(path).build();
        match uri {
            Ok(uri) => head.uri = uri,
            Err(error) => return unanswered(&error),
        }
        drop_headers_of_one_connection(&mut head.headers);
        let counting = {
            let record = record.clone();
            move |bytes| record.received(bytes)
        };
        let body = counted(body.boxed(), counting);
        match self.client.request(Request::from_parts(head, body)).await {
            Ok(mut answer) => {
                drop_headers_of_one_connection(answer.headers_mut());
                answer.map(BodyExt::boxed)
            }
            Err(error) => unanswered(&error),
        }
    }
}

/// The same request as one for another target.
fn of_target(access: Access, target: Target) -> Access {
    let Target { account, container, blob, prefix, operation } = target;
    Access { account, container, blob, prefix, operation, ..access }
}

fn drop_headers_of_one_connection(headers: &mut HeaderMap) {
    for name in &OF_ONE_CONNECTION {
        headers.remove(name);
    }
}

fn unanswered(error: &dyn std::error::Error) -> Response<Body> {
    tracing::warn!(%error, "Azurite gave no answer to the storage gateway");
    refusal(StatusCode::BAD_GATEWAY, "NoAnswer", "The storage behind the gateway gave no answer.")
}

/// An error in the form of Azure's own.
fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(ERROR_CODE, hyper::header::HeaderValue::from_static(code));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/xml"));
    response
}

/// The same body, whose pieces are counted while they flow. It is never held as a whole.
fn counted(body: Body, count: impl Fn(usize) + Send + Sync + 'static) -> Body {
    body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            count(data.len());
        }
        frame
    })
    .boxed()
}

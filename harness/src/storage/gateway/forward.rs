//! One request on its way to Azurite, and the answer on its way back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;

use super::access::{Access, Asker};
use super::act::{Acting, ERROR_CODE, refusal};
use super::body::{Body, Closed, counted, incoming};
use super::records::{Record, Records};
use super::rule::{Act, Answer};
use super::rules::{Decision, Rules};
use super::signature::Signed;
use super::target::Target;
use crate::poll::{Limit, Patience};
use crate::storage::account::host_of;

/// Azurite closes idle connections after 5 s; one that is about to be closed must not be used again.
const IDLE: Duration = Duration::from_secs(2);
/// The API server tells of a pod's address a moment after the pod has it.
const NAMED: Limit = Limit::seconds(5);
/// They are about one connection, not about the request (RFC 9110, 7.6.1).
const OF_ONE_CONNECTION: [HeaderName; 3] = [CONNECTION, HeaderName::from_static("keep-alive"), UPGRADE];

/// The way to Azurite. One for all connections.
pub(super) struct Forwarder {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    rules: Rules,
    records: Records,
}

impl Forwarder {
    pub(super) fn new(upstream: Authority, rules: Rules, records: Records) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Forwarder { client, upstream, rules, records }
    }

    /// Answers one request, and writes it down.
    ///
    /// # Errors
    /// When a rule wants the connection to close.
    pub(super) async fn answer(
        self: Arc<Self>,
        source: IpAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Closed> {
        let (mut head, body) = request.into_parts();
        let access = self.access(source, &head);
        // What a copy reads is read, although nobody asks that account.
        let source_of_copy = Target::copied_by(&head).map(|target| of_target(access.clone(), target));
        let record = self.records.add(access.clone());
        let source_of_copy = source_of_copy.map(|access| self.records.add(access));
        let asker = self.asker(&access).await;
        let answer = match self.rules.decide(&access, &asker, &Signed::by(&head)) {
            None => self.forward(head, incoming(body), &record).await,
            Some(decision) => {
                if let Act::LeadTo { account } = &decision.act
                    && let Ok(host) = HeaderValue::try_from(host_of(account))
                {
                    head.headers.insert(HOST, host);
                }
                let acting = Acting::new(decision, &record, &access);
                // A change may be done more than once, or after it was answered.
                let (forwarder, record) = (self.clone(), record.clone());
                let forward = move |body| {
                    let (forwarder, record, head) = (forwarder.clone(), record.clone(), head.clone());
                    async move { forwarder.forward(head, body, &record).await }
                };
                acting.on(incoming(body), forward).await?
            }
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

    /// What becomes of a connection that asks for an account by its name, before there is a request on it.
    pub(super) async fn on_connection(&self, source: IpAddr, account: String) -> Option<Decision> {
        let access = Access::connection(source, self.records.who_is(source).who, account);
        let asker = self.asker(&access).await;
        self.rules.decide_connection(&access, &asker)
    }

    /// Writes down that a client did not trust the certificate of an account, since no request will tell.
    pub(super) fn certificate_refused(&self, source: IpAddr, account: String, rule: Option<&str>) {
        let access =
            Access::connection(source, self.records.who_is(source).who, account).certificate_refused();
        let record = self.records.add(access);
        if let Some(rule) = rule {
            record.decided_by(rule);
        }
    }

    /// Who asks. Where that decides, a pod's first request waits until its address is known.
    async fn asker(&self, access: &Access) -> Asker {
        let mut asker = self.records.who_is(access.source);
        if !self.rules.asks_for_name(access) {
            return asker;
        }
        let mut patience = Patience::new("whose pod asks", NAMED);
        while !asker.is_known() {
            if let Err(error) = patience.pause(format!("{} is nobody's", access.source)).await {
                tracing::debug!(%error, "a rule for some pods is not for this one");
                break;
            }
            asker = self.records.who_is(access.source);
        }
        asker
    }

    fn access(&self, source: IpAddr, head: &Parts) -> Access {
        let target = Target::of(head);
        Access {
            time: Timestamp::now(),
            source,
            who: self.records.who_is(source).who,
            account: target.account,
            container: target.container,
            blob: target.blob,
            prefix: target.prefix,
            operation: target.operation,
            status: None,
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
        }
    }

    /// Everything that a signature covers stays as it is: method, path, query, and all headers of the request itself.
    async fn forward(&self, mut head: Parts, body: Body, record: &Arc<Record>) -> Response<Body> {
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
        let body = counted(body, counting);
        match self.client.request(Request::from_parts(head, body)).await {
            Ok(mut answer) => {
                drop_headers_of_one_connection(answer.headers_mut());
                answer.map(incoming)
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

pub(super) fn unanswered(error: &dyn std::error::Error) -> Response<Body> {
    tracing::warn!(%error, "Azurite gave no answer to the storage gateway");
    refusal(&Answer {
        status: StatusCode::BAD_GATEWAY.as_u16(),
        code: "NoAnswer".to_owned(),
        message: "The storage behind the gateway gave no answer.".to_owned(),
        ..Answer::default()
    })
}

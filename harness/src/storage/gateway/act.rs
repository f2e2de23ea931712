//! What a rule does with one request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, TRANSFER_ENCODING,
};
use hyper::{Response, StatusCode};
use jiff::Timestamp;

use super::access::Access;
use super::body::{Body, Closed, End, cut, flipped, slow, whole};
use super::forward::unanswered;
use super::listing::Listing;
use super::operation::{Effect, Operation};
use super::records::Record;
use super::rule::{Act, Answer, Change, Moment};
use super::rules::{Decision, no_such_account};

pub(super) const ERROR_CODE: &str = "x-ms-error-code";

/// A rule that decided about one request.
pub(super) struct Acting {
    decision: Decision,
    record: Arc<Record>,
    operation: Operation,
    blob: Option<String>,
}

impl Acting {
    pub(super) fn new(decision: Decision, record: &Arc<Record>, access: &Access) -> Self {
        Acting { decision, record: record.clone(), operation: access.operation, blob: access.blob.clone() }
    }

    /// The answer that the rule wants; `forward` asks the storage.
    ///
    /// # Errors
    /// When the connection is to close.
    pub(super) async fn on<F>(
        self,
        body: Body,
        forward: impl Fn(Body) -> F + Send + 'static,
    ) -> Result<Response<Body>, Closed>
    where
        F: Future<Output = Response<Body>> + Send,
    {
        match &self.decision.act {
            Act::Answer(answer) => {
                self.hit();
                Ok(refusal(answer))
            }
            Act::Lose => {
                self.hit();
                Ok(refusal(&no_such_account()))
            }
            Act::Hang => {
                self.hit();
                self.decision.ended.cancelled().await;
                Err(Closed)
            }
            Act::Delay { milliseconds } => {
                self.hit();
                let ended = self.decision.ended.cancelled();
                // One that ends holds nothing back any more.
                let _ = tokio::time::timeout(Duration::from_millis(*milliseconds), ended).await;
                Ok(forward(body).await)
            }
            Act::Swallow => {
                self.swallow(body).await?;
                self.hit();
                Ok(done(self.operation))
            }
            Act::Twice => {
                let bytes = sent(body).await?;
                self.hit();
                let first = forward(whole(bytes.clone())).await;
                let _ = first.into_body().collect().await;
                Ok(forward(whole(bytes)).await)
            }
            Act::Late { .. } if !finishes(self.operation) => Ok(forward(body).await),
            Act::Late { milliseconds } => {
                let (bytes, ended) = (sent(body).await?, self.decision.ended.clone());
                self.hit();
                let pause = Duration::from_millis(*milliseconds);
                tokio::spawn(async move {
                    // A rule that ends holds nothing back any more.
                    let _ = tokio::time::timeout(pause, ended.cancelled()).await;
                    let _ = forward(whole(bytes)).await.into_body().collect().await;
                });
                Ok(done(self.operation))
            }
            Act::LeadTo { .. } => {
                self.hit();
                Ok(forward(body).await)
            }
            // They are shown before there is a request.
            Act::Certificate(_) => Ok(forward(body).await),
            Act::List(listing) => Ok(self.list(listing, forward(body).await).await),
            Act::Slow { bytes_per_second } => {
                let (hit, ended) = (self.hits(), self.decision.ended.clone());
                Ok(forward(body).await.map(|body| slow(body, *bytes_per_second, ended, hit)))
            }
            Act::Close(moment) => self.close(*moment, body, forward).await,
            Act::Change(change) => {
                let answer = forward(body).await;
                match (answer.status().is_success(), change) {
                    (false, _) => Ok(answer),
                    (true, Change::Older { were }) => Ok(self.older(were, answer).await),
                    (true, change) => Ok(self.change(change, answer)),
                }
            }
        }
    }

    async fn close<F>(
        &self,
        moment: Moment,
        body: Body,
        forward: impl Fn(Body) -> F,
    ) -> Result<Response<Body>, Closed>
    where
        F: Future<Output = Response<Body>>,
    {
        if moment == Moment::BeforeTheRequest {
            self.hit();
            return Err(Closed);
        }
        let mut answer = forward(body).await;
        match moment {
            Moment::BeforeTheRequest | Moment::BeforeTheAnswer => {
                self.hit();
                // What was answered happened all the same: the storage is asked for as long as it says.
                let _ = answer.into_body().collect().await;
                Err(Closed)
            }
            Moment::InTheBody { after_bytes } => {
                let hit = self.hits();
                Ok(answer.map(|body| cut(body, after_bytes, End::Broken, hit)))
            }
            Moment::AfterTheAnswer => {
                self.hit();
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                Ok(answer)
            }
        }
    }

    /// Listings are small, so that one is held as a whole.
    async fn list(&self, listing: &Listing, answer: Response<Body>) -> Response<Body> {
        if !answer.status().is_success() {
            return answer;
        }
        self.with_body(answer, |bytes| {
            let changed = std::str::from_utf8(bytes).ok().and_then(|xml| listing.change(xml));
            changed.map(Bytes::from)
        })
        .await
    }

    /// What comes where a blob was changed since is as it was before.
    async fn older(&self, were: &BTreeMap<String, Vec<u8>>, answer: Response<Body>) -> Response<Body> {
        let Some(was) = self.blob.as_ref().and_then(|blob| were.get(blob)) else { return answer };
        self.with_body(answer, |bytes| (bytes != was).then(|| Bytes::from(was.clone()))).await
    }

    /// An answer that is held as a whole, and may get another body.
    async fn with_body(
        &self,
        answer: Response<Body>,
        other: impl FnOnce(&Bytes) -> Option<Bytes>,
    ) -> Response<Body> {
        let (mut head, body) = answer.into_parts();
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                tracing::debug!(%error, "an answer that is to be changed broke");
                return unanswered(&*error);
            }
        };
        let bytes = match other(&bytes) {
            Some(other) => {
                self.hit();
                other
            }
            None => bytes,
        };
        head.headers.remove(TRANSFER_ENCODING);
        set_length(&mut head.headers, bytes.len() as u64);
        Response::from_parts(head, whole(bytes))
    }

    fn change(&self, change: &Change, mut answer: Response<Body>) -> Response<Body> {
        let hit = self.hits();
        match change {
            Change::Truncate { to_bytes } => {
                let Some(length) = length(answer.headers()) else {
                    return answer.map(|body| cut(body, *to_bytes, End::Well, hit));
                };
                if length <= *to_bytes {
                    return answer;
                }
                // Nobody asks a body for more than its header promised, so it would not notice.
                hit();
                set_length(answer.headers_mut(), *to_bytes);
                answer.map(|body| cut(body, *to_bytes, End::Well, || ()))
            }
            Change::Flip { at_byte } => match at_byte.checked_sub(first_byte(answer.headers())) {
                Some(position) => answer.map(|body| flipped(body, position, hit)),
                None => answer,
            },
            // It needs the whole answer.
            Change::Older { .. } => answer,
            Change::Replace { with } => {
                hit();
                let with = Bytes::from(with.clone());
                set_length(answer.headers_mut(), with.len() as u64);
                answer.map(|_| whole(with))
            }
        }
    }

    /// Takes all that the client sends, as a storage does.
    async fn swallow(&self, mut body: Body) -> Result<(), Closed> {
        while let Some(frame) = body.frame().await {
            // A client that went away has not changed anything.
            let frame = frame.map_err(|_| Closed)?;
            self.record.received(frame.data_ref().map_or(0, Bytes::len));
        }
        Ok(())
    }

    fn hit(&self) {
        self.hits()();
    }

    /// To be called when it has acted.
    fn hits(&self) -> impl Fn() + Send + Sync + 'static {
        let (rule, hits, record) =
            (self.decision.rule.clone(), self.decision.hits.clone(), self.record.clone());
        move || {
            hits.fetch_add(1, Ordering::Relaxed);
            record.decided_by(&rule);
        }
    }
}

/// All that the client sends.
///
/// # Errors
/// When it goes away: then it has not changed anything.
async fn sent(body: Body) -> Result<Bytes, Closed> {
    body.collect().await.map(Collected::to_bytes).map_err(|_| Closed)
}

/// Whether others see at once what this does.
fn finishes(operation: Operation) -> bool {
    operation != Operation::WriteBlock
}

/// The blob's byte that an answer begins with: `bytes 4-9/20`.
fn first_byte(headers: &HeaderMap) -> u64 {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first.unwrap_or(0)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn set_length(headers: &mut HeaderMap, length: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

/// What Azure answers when it has done something: 201 to what writes, 202 to what deletes.
fn done(operation: Operation) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() =
        if operation.effect() == Effect::Delete { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let now = Timestamp::now();
    let headers = response.headers_mut();
    let mut tell = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    tell(ETAG, format!("\"0x{:X}\"", now.as_nanosecond()));
    tell(LAST_MODIFIED, now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    tell(HeaderName::from_static("x-ms-request-server-encrypted"), "true".to_owned());
    response
}

/// An error in the form of Azure's own.
pub(super) fn refusal(answer: &Answer) -> Response<Body> {
    let Answer { status, code, message, headers } = answer;
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(whole(text));
    *response.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let own = response.headers_mut();
    own.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let code = (ERROR_CODE.to_owned(), code.clone());
    // A rule whose headers are none was refused before.
    for (name, value) in headers.iter().map(|(name, value)| (name.clone(), value.clone())).chain([code]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            own.insert(name, value);
        }
    }
    response
}

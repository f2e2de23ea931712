//! Bodies of requests and answers while they flow: counted, cut, changed. None is ever held as a whole.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio_util::sync::CancellationToken;

/// Why a connection ends in the middle of a body.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = BoxBody<Bytes, BodyError>;

/// A rule wants the connection to close.
#[derive(Debug, thiserror::Error)]
#[error("a rule of the storage gateway closed the connection")]
pub(super) struct Closed;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

pub(super) fn incoming(body: Incoming) -> Body {
    body.map_err(BodyError::from).boxed()
}

/// The same body, whose pieces are counted while they flow.
pub(super) fn counted(body: Body, count: impl Fn(usize) + Send + Sync + 'static) -> Body {
    body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            count(data.len());
        }
        frame
    })
    .boxed()
}

/// All bits of the byte at `position` are turned. `hit` hears when it passes.
pub(super) fn flipped(body: Body, position: u64, hit: impl Fn() + Send + Sync + 'static) -> Body {
    let mut passed = 0u64;
    let flip = move |data: Bytes| {
        let begin = passed;
        passed += data.len() as u64;
        let index = position.checked_sub(begin).and_then(|index| usize::try_from(index).ok());
        let Some(index) = index.filter(|index| *index < data.len()) else { return data };
        hit();
        let mut changed = data.to_vec();
        changed[index] = !changed[index];
        Bytes::from(changed)
    };
    let mut flip = flip;
    body.map_frame(move |frame| frame.map_data(&mut flip)).boxed()
}

/// The same body, no faster than so many bytes a second until `ended`. `hit` hears when it is held back.
pub(super) fn slow(
    body: Body,
    bytes_per_second: u64,
    ended: CancellationToken,
    hit: impl Fn() + Send + Sync + 'static,
) -> Body {
    let frames =
        futures::stream::unfold((body, ended, hit, false), move |(mut body, ended, hit, told)| async move {
            let frame = body.frame().await?;
            let bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
            if bytes > 0 && !told {
                hit();
            }
            let pause = Duration::from_millis(bytes.saturating_mul(1000) / bytes_per_second.max(1));
            // A rule that ends holds nothing back any more.
            let _ = tokio::time::timeout(pause, ended.cancelled()).await;
            Some((frame, (body, ended, hit, told || bytes > 0)))
        });
    // A body is asked by one task at a time.
    BodyExt::boxed(StreamBody::new(SyncStream(std::sync::Mutex::new(Box::pin(frames)))))
}

type Frames = Pin<Box<dyn futures::Stream<Item = Result<Frame<Bytes>, BodyError>> + Send>>;

struct SyncStream(std::sync::Mutex<Frames>);

impl futures::Stream for SyncStream {
    type Item = Result<Frame<Bytes>, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frames = self.get_mut().0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        frames.as_mut().poll_next(context)
    }
}

/// Its first `left` bytes. `hit` hears where there are more.
pub(super) fn cut(body: Body, left: u64, then: End, hit: impl Fn() + Send + Sync + 'static) -> Body {
    Cut { body, left, then, hit: Some(Box::new(hit)), sent: false }.boxed()
}

/// How a body that is cut ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As if there were no more.
    Well,
    /// With the connection.
    Broken,
}

struct Cut {
    body: Body,
    left: u64,
    then: End,
    hit: Option<Box<dyn Fn() + Send + Sync>>,
    /// What came before the cut had its chance to leave.
    sent: bool,
}

impl Cut {
    /// A connection that breaks takes along what it holds: that is sent first, which it is when a body has nothing.
    fn end(&mut self, context: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.then {
            End::Well => Poll::Ready(None),
            End::Broken if self.sent => Poll::Ready(Some(Err(Closed.into()))),
            End::Broken => {
                self.sent = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // What was cut off already is asked for no more.
        if self.hit.is_none() {
            return self.end(context);
        }
        let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        let Ok(mut data) = frame.into_data() else { return Poll::Ready(None) };
        if data.len() as u64 <= self.left {
            self.left -= data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(hit) = self.hit.take() {
            hit();
        }
        data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        match data.is_empty() {
            false => Poll::Ready(Some(Ok(Frame::data(data)))),
            true => self.end(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.hit {
            Some(_) => self.body.is_end_stream(),
            None => self.then == End::Well,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.then {
            End::Broken => self.body.size_hint(),
            End::Well => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// What comes of a body of pieces, whether it ends well, and how often `hit` was called.
    async fn through(
        pieces: &[&'static str],
        change: impl FnOnce(Body, Box<dyn Fn() + Send + Sync>) -> Body,
    ) -> (String, bool, u32) {
        let frames: Vec<Result<_, BodyError>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from(*piece)))).collect();
        let body = http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed();
        let hits = Arc::new(AtomicU32::new(0));
        let counted = hits.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        let mut body = change(body, Box::new(count));
        let mut text = Vec::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => text.extend_from_slice(&frame.into_data().unwrap()),
                other => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    return (text, other.is_none(), hits.load(Ordering::Relaxed));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_cut_body_has_its_first_bytes() {
        let pieces = ["abc", "def"];
        for (left, text) in [(0, ""), (2, "ab"), (3, "abc"), (5, "abcde")] {
            let well = through(&pieces, |body, hit| cut(body, left, End::Well, hit)).await;
            assert_eq!(well, (text.to_owned(), true, 1));
            let broken = through(&pieces, |body, hit| cut(body, left, End::Broken, hit)).await;
            assert_eq!(broken, (text.to_owned(), false, 1));
        }
        let all = through(&pieces, |body, hit| cut(body, 6, End::Broken, hit)).await;
        assert_eq!(all, ("abcdef".to_owned(), true, 0), "there was nothing to cut off");
    }

    #[tokio::test]
    async fn one_byte_is_turned_wherever_the_pieces_end() {
        let turned = |at: usize| {
            let mut bytes = b"abcdef".to_vec();
            bytes[at] = !bytes[at];
            String::from_utf8_lossy(&bytes).into_owned()
        };
        for at in 0..6 {
            let seen = through(&["ab", "c", "def"], |body, hit| flipped(body, at as u64, hit)).await;
            assert_eq!(seen, (turned(at), true, 1));
        }
        let seen = through(&["ab"], |body, hit| flipped(body, 2, hit)).await;
        assert_eq!(seen, ("ab".to_owned(), true, 0), "it has no such byte");
    }
}

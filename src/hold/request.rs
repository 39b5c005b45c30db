//! The body of a request.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A request body that tells its connection when it has been read to the end. A connection on which
/// some of it was left is not used again: what follows there is no request.
#[derive(Debug)]
pub struct RequestBody {
    /// What has been read before, and is to be read again.
    again: Bytes,
    source: Source,
    unread: Rc<Cell<bool>>,
    forsakable: Rc<Cell<bool>>,
}

#[derive(Debug)]
enum Source {
    /// All of it came with the head; empty once it has been read.
    Whole(Bytes),
    Incoming(Incoming),
}

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        unread: &Rc<Cell<bool>>,
        forsakable: &Rc<Cell<bool>>,
    ) -> Self {
        unread.set(!incoming.is_end_stream());
        let (unread, forsakable) = (unread.clone(), forsakable.clone());
        Self { again: Bytes::new(), source: Source::Incoming(incoming), unread, forsakable }
    }

    /// A body that came with the head, of a POST or another request. Nothing of it is left on the
    /// connection, whether it is read or not; all the same a client that sends one where it means nothing
    /// may have been understood in another way by somebody else (RFC 9110 section 9.3.1).
    pub(super) fn whole(
        post: bool,
        bytes: Bytes,
        unread: &Rc<Cell<bool>>,
        forsakable: &Rc<Cell<bool>>,
    ) -> Self {
        unread.set(!post && !bytes.is_empty());
        let (unread, forsakable) = (unread.clone(), forsakable.clone());
        Self { again: Bytes::new(), source: Source::Whole(bytes), unread, forsakable }
    }

    /// All of it, if it came with the head: bytes that nothing else is kept for.
    pub fn in_hand(&mut self) -> Option<Bytes> {
        let Source::Whole(bytes) = &mut self.source else { return None };
        self.unread.set(false);
        let bytes = std::mem::take(bytes);
        Some(if self.again.is_empty() { bytes } else { std::mem::take(&mut self.again) })
    }

    /// From now on, until the answer is there, the request ends when its client leaves. Without this
    /// what a client has asked for is done even if it does not wait for the answer.
    pub fn ends_with_client(&self) {
        self.forsakable.set(true);
    }

    /// Takes back what [`RequestBody::ends_with_client`] said.
    pub fn outlasts_client(&self) {
        self.forsakable.set(false);
    }

    /// Puts back what has been read of it, all of it.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.again = bytes;
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.again.is_empty() {
            let again = std::mem::take(&mut self.again);
            return Poll::Ready(Some(Ok(Frame::data(again))));
        }
        let frame = match &mut self.source {
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Incoming(incoming) => Pin::new(incoming).poll_frame(cx),
        };
        if matches!(frame, Poll::Ready(None)) || self.is_end_stream() {
            self.unread.set(false);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty()
            && match &self.source {
                Source::Whole(bytes) => bytes.is_empty(),
                Source::Incoming(incoming) => incoming.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let again = self.again.len() as u64;
        let rest = match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Incoming(incoming) => incoming.size_hint(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + again);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + again);
        }
        hint
    }
}

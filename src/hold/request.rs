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

/// A request body that tells its connection when it has been read to the end. A connection whose
/// body was left unread is not used again: what follows on it is no request.
#[derive(Debug)]
pub struct RequestBody {
    /// What has been read before, and is to be read again.
    again: Bytes,
    incoming: Incoming,
    unread: Rc<Cell<bool>>,
    forsakable: Rc<Cell<bool>>,
}

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        unread: &Rc<Cell<bool>>,
        forsakable: &Rc<Cell<bool>>,
    ) -> Self {
        unread.set(!incoming.is_end_stream());
        let (unread, forsakable) = (unread.clone(), forsakable.clone());
        Self { again: Bytes::new(), incoming, unread, forsakable }
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
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.unread.set(false);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let again = self.again.len() as u64;
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + again);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + again);
        }
        hint
    }
}

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
    source: Source,
    unread: Rc<Cell<bool>>,
}

#[derive(Debug)]
enum Source {
    /// All of it came with the head; empty once it has been read.
    Whole(Bytes),
    Incoming(Incoming),
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, unread: Rc<Cell<bool>>) -> Self {
        unread.set(!incoming.is_end_stream());
        Self { source: Source::Incoming(incoming), unread }
    }

    pub(super) fn whole(bytes: Bytes, unread: Rc<Cell<bool>>) -> Self {
        unread.set(!bytes.is_empty());
        Self { source: Source::Whole(bytes), unread }
    }

    /// All of it, if it came with the head: bytes that nothing else is kept for.
    pub fn in_hand(&mut self) -> Option<Bytes> {
        let Source::Whole(bytes) = &mut self.source else { return None };
        self.unread.set(false);
        Some(std::mem::take(bytes))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
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
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Incoming(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Incoming(incoming) => incoming.size_hint(),
        }
    }
}

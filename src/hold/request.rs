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
    incoming: Incoming,
    unread: Rc<Cell<bool>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, unread: Rc<Cell<bool>>) -> Self {
        unread.set(!incoming.is_end_stream());
        Self { incoming, unread }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.unread.set(false);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

//! A response body that comes from elsewhere, and the fact that it is under way.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use http_body_util::Either;

use super::stream::Outgoing;
use crate::{
    log::Entry,
    response::{Body, Cut},
};

/// A body on its way through; its connection is busy until it is dropped.
#[derive(Debug)]
pub(super) struct Passing {
    body: Body,
    /// The line of the access log.
    entry: Option<Entry>,
    streaming: Rc<Cell<bool>>,
}

/// What hyper is given of an answer.
pub(super) fn outgoing(response: Response<Body>, streaming: &Rc<Cell<bool>>) -> Response<Outgoing> {
    let entry = response.extensions().get::<Entry>().cloned();
    response.map(|body| match body {
        Body::Full(full) => Either::Left(full),
        body @ Body::Stream(_) => {
            streaming.set(true);
            let streaming = streaming.clone();
            Either::Right(Either::Left(Passing { body, entry, streaming }))
        }
    })
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(entry), Poll::Ready(Some(Ok(frame)))) = (&self.entry, &frame) {
            entry.sent(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.streaming.set(false);
    }
}

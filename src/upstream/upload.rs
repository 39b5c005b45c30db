//! The body of a request, on its way to the application.
//!
//! It is read from the client as fast as the server takes it. What has gone out is kept as long as
//! there is no answer and it is not much: then the request can be sent again, to the next server or to
//! the location of an `X-Accel-Redirect`.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::{hold::RequestBody, response::Refusal};

/// Bytes of a body that are kept to be sent again: what a message may have by default.
pub(super) const KEPT: usize = 1 << 20;

/// A handle on a body; each attempt to send the request has one, and only the last counts.
#[derive(Debug)]
pub struct Upload {
    inner: Rc<RefCell<Inner>>,
    attempt: u32,
}

#[derive(Debug)]
struct Inner {
    attempt: u32,
    client: Option<RequestBody>,
    /// What has been read from the client, as long as it is kept.
    kept: Kept,
    /// Of the kept bytes, how many this attempt has sent.
    at: usize,
    /// Bytes read from the client.
    taken: usize,
    /// Not everything that has been read is kept.
    lost: bool,
    /// Nothing is kept any more.
    answered: bool,
    /// The most that may be read; `None` is any number.
    limit: Option<usize>,
    /// `client_body_timeout`.
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    failure: Option<Refusal>,
}

/// Bytes to be sent, maybe again.
#[derive(Debug)]
enum Kept {
    /// They were in hand, and somebody else may have them too.
    Shared(Bytes),
    /// A copy of what a client has sent, because frames may be much smaller than what they cost.
    Own(Vec<u8>),
}

impl Kept {
    const NOTHING: Self = Self::Own(Vec::new());

    fn len(&self) -> usize {
        match self {
            Self::Shared(bytes) => bytes.len(),
            Self::Own(bytes) => bytes.len(),
        }
    }

    /// From there on.
    fn rest(&self, at: usize) -> Bytes {
        match self {
            Self::Shared(bytes) => bytes.slice(at..),
            Self::Own(bytes) => Bytes::copy_from_slice(&bytes[at..]),
        }
    }

    /// More of what a client has sent; bytes in hand are all there is.
    fn add(&mut self, more: &[u8]) {
        if let Self::Own(bytes) = self {
            bytes.extend_from_slice(more);
        }
    }
}

impl From<Kept> for Bytes {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Shared(bytes) => bytes,
            Kept::Own(bytes) => bytes.into(),
        }
    }
}

/// Who keeps an upload waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The client has to send more.
    Client,
    /// Everything has been sent.
    Done,
    /// The server has to take more.
    Server,
}

/// The request cannot be sent to its end; the upload knows why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body of the request ends too early")]
pub struct Broken;

impl Upload {
    /// No body.
    pub fn empty() -> Self {
        Self::new(None, Kept::NOTHING, None, Duration::ZERO)
    }

    /// Bytes in hand.
    pub fn bytes(bytes: Bytes) -> Self {
        Self::new(None, Kept::Shared(bytes), None, Duration::ZERO)
    }

    /// What a client sends: at most so many bytes, with at most so long between two of them.
    pub fn client(body: RequestBody, limit: Option<usize>, patience: Duration) -> Self {
        Self::new(Some(body), Kept::NOTHING, limit, patience)
    }

    fn new(
        client: Option<RequestBody>,
        kept: Kept,
        limit: Option<usize>,
        patience: Duration,
    ) -> Self {
        let inner = Inner {
            attempt: 0,
            client,
            kept,
            at: 0,
            taken: 0,
            lost: false,
            answered: false,
            limit,
            patience,
            timer: None,
            failure: None,
        };
        Self { inner: Rc::new(RefCell::new(inner)), attempt: 0 }
    }

    /// The body from its beginning, for another attempt.
    pub(super) fn again(&self) -> Self {
        let mut inner = self.inner.borrow_mut();
        inner.attempt += 1;
        (inner.at, inner.timer) = (0, None);
        Self { inner: self.inner.clone(), attempt: inner.attempt }
    }

    /// Another handle of the same attempt.
    pub(super) fn same(&self) -> Self {
        Self { inner: self.inner.clone(), attempt: self.attempt }
    }

    /// Whether it can be sent from its beginning.
    fn is_whole(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.lost && inner.failure.is_none()
    }

    /// Whether its request may go out again, of which something was `sent` (RFC 9110 section 9.2.2).
    pub(super) fn may_repeat(&self, sent: bool, method: &Method) -> bool {
        (!sent || method.is_idempotent()) && self.is_whole()
    }

    /// Who keeps it waiting.
    pub(super) fn stage(&self) -> Stage {
        let inner = self.inner.borrow();
        match &inner.timer {
            Some(_) => Stage::Client,
            None if inner.ended() => Stage::Done,
            None => Stage::Server,
        }
    }

    /// What the client did wrong.
    pub(super) fn failure(&self) -> Option<Refusal> {
        self.inner.borrow().failure.clone()
    }

    /// It need not be sent again.
    pub(super) fn answered(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.answered = true;
        if inner.client.is_some() && inner.at >= inner.kept.len() {
            (inner.kept, inner.at, inner.lost) = (Kept::NOTHING, 0, true);
        }
    }

    /// Takes the body back from whoever sends it, from its beginning; `None` if not all is kept.
    pub(super) fn reclaim(&self) -> Option<RequestBody> {
        let mut inner = self.inner.borrow_mut();
        inner.attempt += 1;
        let kept = std::mem::replace(&mut inner.kept, Kept::NOTHING);
        let mut body = inner.client.take().filter(|_| !inner.lost && inner.failure.is_none())?;
        body.put_back(kept.into());
        Some(body)
    }
}

impl Inner {
    fn ended(&self) -> bool {
        self.at >= self.kept.len() && self.client.as_ref().is_none_or(Body::is_end_stream)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        if self.at < self.kept.len() {
            let again = self.kept.rest(self.at);
            self.at = self.kept.len();
            return Poll::Ready(Some(Ok(again)));
        }
        let Some(client) = &mut self.client else { return Poll::Ready(None) };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *client).poll_frame(cx) else { break };
            self.timer = None;
            let Some(frame) = frame else { return Poll::Ready(None) };
            let Ok(frame) = frame else {
                let why = Refusal::BadRequest("The body is incomplete.".into());
                return Poll::Ready(Some(Err(why)));
            };
            // Trailers are left out.
            if let Ok(bytes) = frame.into_data() {
                return Poll::Ready(Some(self.take(bytes)));
            }
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(Refusal::Timeout)))
    }

    fn take(&mut self, bytes: Bytes) -> Result<Bytes, Refusal> {
        self.taken += bytes.len();
        if self.limit.is_some_and(|limit| self.taken > limit) {
            return Err(Refusal::TooLarge);
        }
        if self.answered || self.taken > KEPT {
            (self.kept, self.at, self.lost) = (Kept::NOTHING, 0, true);
        }
        if !self.lost {
            self.kept.add(&bytes);
            self.at = self.kept.len();
        }
        Ok(bytes)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut inner = self.inner.borrow_mut();
        if inner.attempt != self.attempt || inner.failure.is_some() {
            return Poll::Ready(Some(Err(Broken)));
        }
        match ready!(inner.poll(cx)) {
            Some(Ok(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Err(refusal)) => {
                inner.failure = Some(refusal);
                Poll::Ready(Some(Err(Broken)))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.inner.borrow();
        inner.attempt == self.attempt && inner.failure.is_none() && inner.ended()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.borrow();
        let again = (inner.kept.len() - inner.at) as u64;
        let rest = inner.client.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + again);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + again);
        }
        hint
    }
}

//! hyper over the bytes of one connection, until there is nothing left for it to do.
//!
//! Hyper's state may be dropped only when nothing of it is in use: no request is being answered,
//! its body has been read, and every byte of the answer is written.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::Future,
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Connection},
    service::Service,
};

use super::{
    Answer, Client, Converse, Follow, Handler, Holding, Tally, Tunnel, head::Persistence, passing,
    request::RequestBody, respond::respond, stream::Outgoing, wire::Wire, worker::Shared,
};
use crate::log::{self, Entry};

/// Hyper at work on one connection.
pub(super) struct Exchange<H: Handler> {
    connection: Connection<Wire, Call<H>>,
    wire: Wire,
    state: Rc<State>,
    tally: Arc<Tally>,
    client: Client,
}

/// Where an exchange stands.
pub(super) enum Step {
    /// It has to wait: for a body, for the application, for the socket.
    Wait,
    /// Everything is answered.
    Idle,
    /// The request waits for messages.
    Hold(Box<Holding>, Persistence),
    /// The request waits in a way of its own.
    Follow(Follow, Persistence),
    /// The connection is the application's.
    Tunnel(Box<Tunnel>),
    /// The connection speaks another protocol.
    Converse(Converse),
    /// The connection ends.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    /// Requests being answered.
    busy: Cell<bool>,
    /// A poll waits for a message, or another request for something that only its client wants.
    polling: Rc<Cell<bool>>,
    /// Streams being sent.
    streaming: Rc<Cell<bool>>,
    /// The body of the latest request has not been read to its end.
    unread: Rc<Cell<bool>>,
    /// The line of the access log whose response is being sent.
    entry: RefCell<Option<Entry>>,
    /// The request leaves hyper.
    leaving: RefCell<Option<Leaving>>,
}

/// What a request leaves hyper for.
#[derive(Debug)]
enum Leaving {
    Hold(Box<Holding>, Persistence),
    Follow(Follow, Persistence),
    Tunnel(Box<Tunnel>),
    Converse(Converse),
}

impl State {
    /// Waits for a response that only its client wants.
    async fn poll_by<T>(&self, response: impl Future<Output = T>) -> T {
        self.polling.set(true);
        let response = response.await;
        self.polling.set(false);
        response
    }

    /// A response is there; after some of them there is no further request.
    fn end(&self, response: &mut Response<Outgoing>, persistence: Persistence) {
        // A stream to an HTTP/1.0 client has no other end; hyper would promise it more requests.
        let endless = persistence.raw && self.streaming.get();
        if endless {
            *response.version_mut() = Version::HTTP_10;
        }
        if self.unread.get() || endless {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        self.busy.set(false);
    }

    /// How the answer to the latest request ends: what follows an unread body is no request.
    fn allows(&self, persistence: Persistence) -> Persistence {
        Persistence { close: persistence.close || self.unread.get(), ..persistence }
    }

    /// Leaves hyper, which gets no response.
    async fn leave(&self, leaving: Leaving) -> Response<Outgoing> {
        self.leaving.replace(Some(leaving));
        std::future::pending().await
    }
}

impl<H: Handler> Exchange<H> {
    pub(super) fn new(
        shared: &Rc<Shared<H>>,
        builder: &Builder,
        fd: OwnedFd,
        input: Vec<u8>,
        client: Client,
        begun: Option<Begun>,
    ) -> Self {
        let wire = Wire::new(fd, input);
        let mut state = State::default();
        if let Some(begun) = &begun {
            state.polling = begun.forsakable.clone();
        }
        let (state, begun) = (Rc::new(state), Cell::new(begun));
        let call = Call { shared: shared.clone(), state: state.clone(), client, begun };
        let connection = builder.serve_connection(wire.clone(), call);
        Self { connection, wire, state, tally: shared.tally.clone(), client }
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Lets hyper go on as far as it can.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Step {
        let state = self.state.clone();
        if let Poll::Ready(end) = Pin::new(&mut self.connection).poll(cx) {
            if let Some(error) = end.err().filter(hyper::Error::is_parse) {
                self.note_malformed(&error);
            }
            return Step::Closed;
        }
        if self.wire.dirty() {
            return Step::Wait;
        }
        match state.leaving.take() {
            Some(Leaving::Hold(holding, persistence)) => return Step::Hold(holding, persistence),
            Some(Leaving::Follow(follow, persistence)) => return Step::Follow(follow, persistence),
            Some(Leaving::Tunnel(tunnel)) => return Step::Tunnel(tunnel),
            Some(Leaving::Converse(converse)) => return Step::Converse(converse),
            None => {}
        }
        let free = !state.busy.get() && !state.streaming.get();
        match (free, state.unread.get()) {
            (false, _) => Step::Wait,
            (true, true) => Step::Closed,
            (true, false) => Step::Idle,
        }
    }

    /// Hyper has refused a request that it could not understand.
    fn note_malformed(&self, error: &hyper::Error) {
        let status = if error.is_parse_too_large() {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        self.tally.answered(status);
        log::malformed(self.client.peer, status);
    }

    /// Whether the client of a waiting request has gone. Hyper looks for that only as long as it
    /// has read nothing ahead. As long as a body is coming, hyper reads.
    pub(super) fn abandoned(&self, cx: &mut Context<'_>) -> bool {
        let waits = self.state.polling.get() || self.state.streaming.get();
        waits && !self.state.unread.get() && self.wire.poll_end(cx).is_ready()
    }

    /// The present answer is the last.
    pub(super) fn shut_down(&mut self) {
        Pin::new(&mut self.connection).graceful_shutdown();
    }

    /// Drops hyper's state; what is left is the socket and the bytes that nobody has looked at.
    pub(super) fn finish(self) -> (Option<OwnedFd>, Vec<u8>) {
        let parts = self.connection.into_parts();
        let (fd, rest) = self.wire.take();
        if parts.read_buf.is_empty() {
            return (fd, rest);
        }
        (fd, [&parts.read_buf[..], &rest[..]].concat())
    }
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// An answer that was begun before hyper saw the request.
pub(super) struct Begun {
    pub(super) answer: Answering,
    /// The body that it has got has not been read.
    pub(super) unread: Rc<Cell<bool>>,
    /// Only its client wants it.
    pub(super) forsakable: Rc<Cell<bool>>,
}

impl<H> Shared<H> {
    /// The connection changes its protocol.
    async fn switch(&self, state: &State, leaving: Leaving) -> Response<Outgoing> {
        self.tally.answered(StatusCode::SWITCHING_PROTOCOLS);
        state.leave(leaving).await
    }
}

/// The service that hyper calls for each request.
struct Call<H: Handler> {
    shared: Rc<Shared<H>>,
    state: Rc<State>,
    client: Client,
    /// What becomes of the first request, if that has been begun.
    begun: Cell<Option<Begun>>,
}

impl<H: Handler> Call<H> {
    fn answer(&self, request: Request<RequestBody>) -> Answering {
        let Some(begun) = self.begun.take() else {
            self.shared.tally.requests.add(1);
            return Box::pin(self.shared.handler.respond(request, self.client));
        };
        // The request is one in place of that with which the answer was begun.
        let unread = self.state.unread.clone();
        Box::pin(async move {
            let answer = begun.answer.await;
            unread.set(begun.unread.get());
            answer
        })
    }
}

impl<H: Handler> Service<Request<Incoming>> for Call<H> {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (shared, state) = (self.shared.clone(), self.state.clone());
        state.busy.set(true);
        let persistence = Persistence::of(request.version(), request.headers());
        let request = request.map(|body| RequestBody::new(body, &state.unread, &state.polling));
        let answer = self.answer(request);
        Box::pin(async move {
            let mut response = match answer.await {
                Answer::Respond(response) => {
                    state.polling.set(false);
                    passing::outgoing(response, &state.streaming)
                }
                Answer::Hold(holding) if holding.as_body => {
                    let hall = shared.hall.clone();
                    state.poll_by(respond(hall, &state.streaming, *holding)).await
                }
                Answer::Hold(holding) => {
                    state.leave(Leaving::Hold(holding, state.allows(persistence))).await
                }
                Answer::Follow(follow) => {
                    state.leave(Leaving::Follow(follow, state.allows(persistence))).await
                }
                Answer::Tunnel(tunnel) => shared.switch(&state, Leaving::Tunnel(tunnel)).await,
                Answer::Converse(own) => shared.switch(&state, Leaving::Converse(own)).await,
            };
            shared.tally.answered(response.status());
            // Of a response that goes before this one all is with hyper.
            state.entry.replace(response.extensions_mut().remove());
            state.end(&mut response, persistence);
            Ok(response)
        })
    }
}

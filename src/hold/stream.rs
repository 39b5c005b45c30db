//! The same wait as a response body, for connections that have to be tasks: TLS, HTTP/2, and
//! `push_hold = "body"`.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{Either, Full};
use tokio::time::{Instant, Sleep, sleep};

use super::{Holding, Outlet, Style, bodies::Letter, worker::HallCell};
use crate::{
    channel::{MessageId, Subscription},
    framing::{
        Farewell,
        long_poll::{LongPoll, tell_gap},
    },
};

/// What hyper is given to send: bytes in hand, or a stream.
pub(super) type Outgoing = Either<Full<Bytes>, Stream>;

/// What one poll of a body finds.
enum Event {
    Message(Letter),
    Farewell(Farewell),
    Ping,
}

/// A wait for messages, until it is dropped.
#[derive(Debug)]
struct Wait {
    hall: HallCell,
    key: u32,
    outlet: Arc<Outlet>,
    cursor: MessageId,
    timeout: Option<Pin<Box<Sleep>>>,
    ping: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Wait {
    fn new(hall: HallCell, outlet: Arc<Outlet>, subscription: Subscription) -> Self {
        let cursor = subscription.cursor();
        let key = hall.borrow_mut().join_body(subscription);
        let timeout = outlet.timeout.map(|after| Box::pin(sleep(after)));
        let ping = outlet.ping.map(|every| (every, Box::pin(sleep(every))));
        Self { hall, key, outlet, cursor, timeout, ping }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut hall = self.hall.borrow_mut();
        if let Some(letter) = hall.next_for_body(self.key) {
            drop(hall);
            self.put_off_ping();
            return Poll::Ready(Event::Message(letter));
        }
        let Some(waiter) = hall.bodies.get(self.key) else {
            return Poll::Ready(Event::Farewell(Farewell::Deleted));
        };
        if let Some(why) = waiter.dismissed {
            return Poll::Ready(Event::Farewell(why));
        }
        waiter.waker = Some(cx.waker().clone());
        drop(hall);
        if self.timeout.as_mut().is_some_and(|timeout| timeout.as_mut().poll(cx).is_ready()) {
            self.timeout = None;
            self.hall.borrow_mut().end_body(self.key, Farewell::Timeout);
            return self.poll(cx);
        }
        if self.ping.as_mut().is_some_and(|(_, ping)| ping.as_mut().poll(cx).is_ready()) {
            self.put_off_ping();
            return Poll::Ready(Event::Ping);
        }
        Poll::Pending
    }

    fn put_off_ping(&mut self) {
        if let Some((every, ping)) = &mut self.ping {
            ping.as_mut().reset(Instant::now() + *every);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.hall.borrow_mut().leave_body(self.key);
    }
}

/// An endless response body.
#[derive(Debug)]
pub(super) struct Stream {
    wait: Option<Wait>,
    opening: Bytes,
    /// Whether its connection is still sending it.
    streaming: Rc<Cell<bool>>,
}

impl Stream {
    /// What the next bytes are; `None` at the end.
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opening.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.opening)));
        }
        let Some(wait) = &mut self.wait else { return Poll::Ready(None) };
        let outlet = wait.outlet.clone();
        let Style::Endless(framing) = &outlet.style else { return Poll::Ready(None) };
        let event = std::task::ready!(wait.poll(cx));
        let bytes = match event {
            Event::Message(Letter { message, gap }) => {
                let notice = if gap { framing.gap(wait.cursor) } else { Bytes::new() };
                wait.cursor = message.id();
                let payload = outlet.frame(&message).payload();
                if notice.is_empty() { payload } else { [notice, payload].concat().into() }
            }
            Event::Ping => framing.ping(),
            Event::Farewell(why) => {
                self.wait = None;
                framing.closing(why)
            }
        };
        Poll::Ready(Some(bytes))
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match std::task::ready!(self.poll_payload(cx)) {
                // An empty chunk would end the response.
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streaming.set(false);
    }
}

/// Waits, or gives the body that does.
pub(super) async fn respond(
    hall: HallCell,
    streaming: &Rc<Cell<bool>>,
    holding: Holding,
) -> Response<Outgoing> {
    let Holding { subscription, outlet, headers, .. } = holding;
    let mut wait = Wait::new(hall, outlet.clone(), subscription);
    let mut response = Response::new(Either::Left(Full::default()));
    *response.headers_mut() = headers;
    match &outlet.style {
        Style::Endless(framing) => {
            let opening = framing.opening();
            streaming.set(true);
            let streaming = streaming.clone();
            let stream = Stream { wait: Some(wait), opening, streaming };
            *response.body_mut() = Either::Right(stream);
        }
        Style::Once(framing) => once(&mut response, &mut wait, framing).await,
    }
    response
}

/// The one answer of a poll.
async fn once(response: &mut Response<Outgoing>, wait: &mut Wait, framing: &LongPoll) {
    let (status, more) = match poll_fn(|cx| wait.poll(cx)).await {
        Event::Message(Letter { message, gap }) => {
            let mut more = framing.headers(&message);
            if gap {
                tell_gap(&mut more, wait.cursor);
            }
            *response.body_mut() = Either::Left(Full::new(message.body().clone()));
            (StatusCode::OK, more)
        }
        Event::Farewell(why) => LongPoll::farewell(why),
        Event::Ping => LongPoll::farewell(Farewell::Timeout),
    };
    *response.status_mut() = status;
    for (name, value) in &more {
        if name == header::VARY {
            response.headers_mut().append(name, value.clone());
        } else {
            response.headers_mut().insert(name, value.clone());
        }
    }
}

//! The same wait as a response body, for connections that have to be tasks: TLS, HTTP/2, and
//! `push_hold = "body"`.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame as Part};
use http_body_util::{Either, Full};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    Holding, Outlet, Style, Tab, batch::enough, bodies::Letter, passing::Passing, pause::PAUSE,
    worker::HallCell,
};
use crate::{
    channel::{ChannelId, Checksum, Frame, Message, MessageId},
    framing::{Farewell, Framing, http1::tell_gap, long_poll::LongPoll},
};

/// What hyper is given to send: bytes in hand, what comes from elsewhere, or messages.
pub(super) type Outgoing = Either<Full<Bytes>, Either<Passing, Stream>>;

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
    /// It is one of several tabs, and its message may have to wait for the others.
    tab: Option<Tab>,
    letter: Option<Letter>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    fn new(hall: HallCell, holding: Holding) -> Self {
        let Holding { subscription, outlet, timeout, tab, .. } = holding;
        let cursor = subscription.cursor();
        let key = hall.borrow_mut().join_body(subscription);
        let timeout = timeout.map(|after| Box::pin(sleep(after)));
        let ping = outlet.ping.map(|every| (every, Box::pin(sleep(every))));
        let (letter, pause) = (None, None);
        Self { hall, key, outlet, cursor, timeout, ping, tab, letter, pause }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let mut hall = self.hall.borrow_mut();
        let letter = self.letter.take().or_else(|| hall.next_for_body(self.key));
        if let Some(letter) = letter {
            drop(hall);
            return self.poll_message(letter, cx);
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

    fn poll_message(&mut self, letter: Letter, cx: &mut Context<'_>) -> Poll<Event> {
        let now = std::time::Instant::now();
        let id = letter.message.id();
        if self.tab.as_ref().is_some_and(|tab| !tab.may_have(id, now)) {
            self.letter = Some(letter);
            self.pause = Some(Box::pin(sleep(PAUSE)));
            return self.poll(cx);
        }
        if let Some(tab) = self.tab.take() {
            tab.answered(now);
        }
        self.put_off_ping();
        Poll::Ready(Event::Message(letter))
    }

    /// A message, and all that have come with it.
    fn waiting(&mut self, first: Arc<Message>) -> Vec<Arc<Message>> {
        let mut hall = self.hall.borrow_mut();
        let next = std::iter::from_fn(|| Some(hall.next_for_body(self.key)?.message));
        [first].into_iter().chain(next).collect()
    }

    /// The channel for whose deletion it ends.
    fn deleted_channel(&self, why: Farewell) -> Option<ChannelId> {
        let deleted = why == Farewell::Deleted;
        deleted.then(|| self.hall.borrow_mut().deleted_channel(self.key)).flatten()
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

/// A response body that goes on.
#[derive(Debug)]
pub(super) struct Stream {
    wait: Option<Wait>,
    opening: Option<Frame>,
    /// A message has gone out: a gap behind it means that the client was too slow.
    begun: bool,
    /// What has gone out, once it is decompressed.
    sent: Checksum,
    /// Whether its connection is still sending it.
    streaming: Rc<Cell<bool>>,
}

/// A response that was promised one message ends without it.
#[derive(Debug, thiserror::Error)]
#[error("no message comes any more")]
pub(super) struct Aborted;

impl Stream {
    /// What the next bytes are; `None` at the end.
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        let Some(wait) = &mut self.wait else { return Poll::Ready(None) };
        let outlet = wait.outlet.clone();
        let Style::Stream(framing) = &outlet.style else { return Poll::Ready(None) };
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(Ok(self.payload(&opening))));
        }
        let event = std::task::ready!(wait.poll(cx));
        let bytes = match event {
            Event::Message(Letter { message, gap }) => {
                if gap && outlet.closes_lagging && self.begun {
                    return Poll::Ready(Some(self.end(&**framing, Farewell::Lagging)));
                }
                self.begun = true;
                let notice = if gap { framing.gap(wait.cursor) } else { Frame::default() };
                wait.cursor = message.id();
                let frame = outlet.frame(&message);
                if framing.single() {
                    self.wait = None;
                }
                let notice = self.payload(&notice);
                let payload = self.payload(&frame);
                if notice.is_empty() { payload } else { [notice, payload].concat().into() }
            }
            Event::Ping => self.payload(&framing.ping()),
            Event::Farewell(why) => return Poll::Ready(Some(self.end(&**framing, why))),
        };
        Poll::Ready(Some(Ok(bytes)))
    }

    fn payload(&mut self, frame: &Frame) -> Bytes {
        self.sent = self.sent.then(frame.plain);
        frame.payload()
    }

    /// The last bytes.
    fn end(&mut self, framing: &dyn Framing, why: Farewell) -> Result<Bytes, Aborted> {
        let gone = self.wait.take().and_then(|wait| wait.deleted_channel(why));
        if framing.single() {
            return Err(Aborted);
        }
        let notice = gone.map(|channel| framing.deleted(&channel)).unwrap_or_default();
        let [notice, closing] = [notice, framing.closing(why)].map(|frame| self.payload(&frame));
        Ok([notice, closing, framing.trailer(self.sent).payload()].concat().into())
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Part<Bytes>, Aborted>>> {
        loop {
            match std::task::ready!(self.poll_payload(cx)) {
                // An empty chunk would end the response.
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(bytes) => return Poll::Ready(Some(bytes.map(Part::data))),
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
    let (headers, outlet) = (holding.headers.clone(), holding.outlet.clone());
    let mut wait = Wait::new(hall, holding);
    let mut response = Response::new(Either::Left(Full::default()));
    *response.headers_mut() = headers;
    match &outlet.style {
        Style::Stream(framing) => {
            let opening = Some(framing.opening());
            streaming.set(true);
            let streaming = streaming.clone();
            let (begun, sent) = (false, Checksum::default());
            let stream = Stream { wait: Some(wait), opening, begun, sent, streaming };
            *response.body_mut() = Either::Right(Either::Right(stream));
        }
        Style::Poll(framing) => once(&mut response, &mut wait, framing).await,
    }
    response
}

/// The one answer of a poll.
async fn once(response: &mut Response<Outgoing>, wait: &mut Wait, framing: &LongPoll) {
    let (status, more, body) = match poll_fn(|cx| wait.poll(cx)).await {
        Event::Message(letter) => {
            let gap = letter.gap;
            let messages = wait.waiting(letter.message);
            let messages = wait.outlet.fitting(&messages);
            let (mut more, body) = framing.answer(enough(messages).map_or(messages, |some| some.0));
            if gap {
                tell_gap(&mut more, wait.cursor);
            }
            (StatusCode::OK, more, body)
        }
        Event::Farewell(why) => {
            framing.farewell(why, wait.cursor, wait.deleted_channel(why).as_ref())
        }
        Event::Ping => framing.farewell(Farewell::Timeout, wait.cursor, None),
    };
    *response.body_mut() = Either::Left(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in &more {
        if name == header::VARY {
            response.headers_mut().append(name, value.clone());
        } else {
            response.headers_mut().insert(name, value.clone());
        }
    }
}

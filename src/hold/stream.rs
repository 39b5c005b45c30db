//! The same wait as a response body, for connections that have to be tasks: TLS, HTTP/2, and
//! `push_hold = "body"`.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame as Part};
use http_body_util::{Either, Full};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    Holding, Outlet, Style, Tab, bodies::Letter, passing::Passing, pause::PAUSE, worker::HallCell,
};
use crate::{
    channel::{ChannelId, Checksum, Frame, Message, MessageId},
    framing::{Farewell, Framing},
    log::Entry,
};

/// What hyper is given to send: bytes in hand, what comes from elsewhere, or messages.
pub(super) type Outgoing = Either<Full<Bytes>, Either<Passing, Stream>>;

/// What one poll of a body finds.
pub(super) enum Event {
    Message(Letter),
    Farewell(Farewell),
    Ping,
}

/// A wait for messages, until it is dropped.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) hall: HallCell,
    key: u32,
    pub(super) outlet: Arc<Outlet>,
    pub(super) cursor: MessageId,
    timeout: Option<Pin<Box<Sleep>>>,
    ping: Option<(Duration, Pin<Box<Sleep>>)>,
    /// It is one of several tabs, and its message may have to wait for the others.
    tab: Option<Tab>,
    letter: Option<Letter>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    pub(super) fn new(hall: HallCell, holding: Holding) -> Self {
        let Holding { subscription, outlet, timeout, tab, guest, .. } = holding;
        let cursor = subscription.cursor();
        let key = hall.borrow_mut().join_body(subscription, outlet.transport, guest, true);
        let timeout = timeout.map(|after| Box::pin(sleep(after)));
        let ping = outlet.ping.map(|every| (every, Box::pin(sleep(every))));
        let (letter, pause) = (None, None);
        Self { hall, key, outlet, cursor, timeout, ping, tab, letter, pause }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
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
    pub(super) fn waiting(&mut self, first: Arc<Message>) -> Vec<Arc<Message>> {
        let mut hall = self.hall.borrow_mut();
        let next = std::iter::from_fn(|| Some(hall.next_for_body(self.key)?.message));
        [first].into_iter().chain(next).collect()
    }

    /// The channel for whose deletion it ends.
    pub(super) fn deleted_channel(&self, why: Farewell) -> Option<ChannelId> {
        let deleted = why == Farewell::Deleted;
        deleted.then(|| self.hall.borrow_mut().deleted_channel(self.key)).flatten()
    }

    /// Counts the answer of a poll, and why the wait ended if it ended by itself.
    pub(super) fn note_end(&self, why: Option<Farewell>) {
        let tally = &self.hall.borrow().tally;
        tally.polls.add(u64::from(self.outlet.ends()));
        if let Some(why) = why {
            tally.ended(why);
        }
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
    /// Its line of the access log.
    entry: Option<Entry>,
    /// Whether its connection is still sending it.
    streaming: Rc<Cell<bool>>,
}

/// A response that was promised one message ends without it.
#[derive(Debug, thiserror::Error)]
#[error("no message comes any more")]
pub(super) struct Aborted;

impl Stream {
    pub(super) fn new(
        wait: Wait,
        opening: Frame,
        entry: Option<Entry>,
        streaming: Rc<Cell<bool>>,
    ) -> Self {
        let (begun, sent) = (false, Checksum::default());
        Self { wait: Some(wait), opening: Some(opening), begun, sent, entry, streaming }
    }

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
                wait.hall.borrow().tally.handed(std::slice::from_ref(&message), gap);
                let frame = outlet.frame(&message);
                if framing.single() {
                    wait.note_end(None);
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
        let wait = self.wait.take().inspect(|wait| wait.note_end(Some(why)));
        let gone = wait.and_then(|wait| wait.deleted_channel(why));
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
                Some(bytes) => {
                    if let (Some(entry), Ok(bytes)) = (&self.entry, &bytes) {
                        entry.sent(bytes.len() as u64);
                    }
                    return Poll::Ready(Some(bytes.map(Part::data)));
                }
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

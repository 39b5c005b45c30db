//! How a location serves those that wait there by one transport.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Guest, Inbound, Incoming, Tab};
use crate::{
    channel::{Frame, FrameSlot, Message, Subscription},
    config::Transport,
    framing::{Framing, http1::write_headers, long_poll::LongPoll},
    log::Entry,
};

/// A request that waits for messages.
#[derive(Debug)]
pub struct Holding {
    /// What it waits for; it has taken its seats.
    pub subscription: Subscription,
    /// How it gets it.
    pub outlet: Arc<Outlet>,
    /// Headers of the response head that belong to this request alone.
    pub headers: HeaderMap,
    /// Whether a task with a response body waits, instead of the hall.
    pub as_body: bool,
    /// What takes the messages that the client of a WebSocket sends; none: it may send none.
    pub inbound: Option<Rc<dyn Inbound>>,
    /// When its wait ends without a message; no later than the outlet's.
    pub timeout: Option<Duration>,
    /// It is one of several tabs, which are answered together.
    pub tab: Option<Tab>,
    /// Its line of the access log, which is written when nobody has it any more.
    pub entry: Option<Entry>,
    /// Is dropped when it waits no longer.
    pub guest: Option<Box<dyn Guest>>,
}

impl Holding {
    /// A request that is held like any other.
    pub fn new(subscription: Subscription, outlet: Arc<Outlet>) -> Self {
        let (headers, timeout) = (HeaderMap::new(), outlet.timeout);
        let (inbound, tab, entry, guest) = (None, None, None, None);
        let as_body = false;
        Self { subscription, outlet, headers, as_body, inbound, timeout, tab, entry, guest }
    }

    /// Lets the wait end after this time, if it does not end earlier.
    pub fn end_after(&mut self, left: Duration) {
        self.timeout = Some(self.timeout.map_or(left, |timeout| timeout.min(left)));
    }

    /// The status of its response; of a poll that it will have.
    pub fn status(&self) -> StatusCode {
        if self.outlet.socket.is_some() { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK }
    }
}

/// How a location serves those that wait there by one transport; shared by all of them.
#[derive(Debug)]
pub struct Outlet {
    /// What it is called.
    pub transport: Transport,
    /// The wire format.
    pub style: Style,
    /// What the head of each response that goes on has.
    pub headers: Headers,
    /// What a response that goes on begins with: [`Framing::opening`], made once.
    pub opening: Frame,
    /// Where messages keep its frames.
    pub slot: FrameSlot,
    /// `push_ping_interval`, where the wire format has something to say.
    pub ping: Option<Duration>,
    /// `push_subscriber_timeout`.
    pub timeout: Option<Duration>,
    /// `push_slow_subscriber = "close"`: whom history leaves behind is sent away.
    pub closes_lagging: bool,
    /// What the client may send, if it is a WebSocket.
    pub socket: Option<Incoming>,
}

/// Headers, and as lines of a head, each ended by CRLF.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    map: HeaderMap,
    lines: Bytes,
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut lines = Vec::new();
        write_headers(&mut lines, &map);
        Self { map, lines: lines.into() }
    }
}

impl Headers {
    /// As they are sent.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }
}

/// When the head of a response goes out.
#[derive(Debug)]
pub enum Style {
    /// With the message, and both are the whole response.
    Poll(LongPoll),
    /// At once; messages follow.
    Stream(Box<dyn Framing>),
}

impl Outlet {
    /// The same with another wire format of polls.
    #[must_use]
    pub fn with_poll(&self, framing: LongPoll) -> Self {
        Self {
            style: Style::Poll(framing),
            headers: Headers::default(),
            opening: Frame::default(),
            ..*self
        }
    }

    /// The headers of a response that goes on, with those that belong to its request alone.
    pub fn headers_with(&self, own: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.map.clone();
        for (name, value) in own {
            headers.append(name, value.clone());
        }
        headers
    }

    /// The message as this outlet sends it.
    pub fn frame(&self, message: &Message) -> Frame {
        if let Style::Poll(framing) = &self.style {
            framing.prepare(message);
        }
        message.frame(self.slot, |message| match &self.style {
            Style::Poll(framing) => framing.encode(message),
            Style::Stream(framing) => framing.encode(message),
        })
    }

    /// Whether a response ends with the first messages that it has.
    pub(super) fn ends(&self) -> bool {
        match &self.style {
            Style::Poll(_) => true,
            Style::Stream(framing) => framing.single(),
        }
    }

    /// Of the messages that there are, those that one response may have.
    pub(super) fn fitting<'m>(&self, messages: &'m [Arc<Message>]) -> &'m [Arc<Message>] {
        let one = match &self.style {
            Style::Poll(framing) => !framing.takes_all(),
            Style::Stream(framing) => framing.single(),
        };
        if one { &messages[..messages.len().min(1)] } else { messages }
    }

    /// What keeps a silent response alive.
    pub(super) fn ping_frame(&self) -> Frame {
        match &self.style {
            Style::Poll(_) => Frame::default(),
            Style::Stream(framing) => framing.ping(),
        }
    }
}

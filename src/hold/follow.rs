//! Ways of waiting that are not the hall's own: whoever waits so reads messages itself, as a task.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Response};
use http_body::Body as _;
use tokio::sync::watch;

use super::{
    Talk, Tally,
    bodies::Letter,
    head::is_bodiless,
    worker::{HallCell, Shared},
};
use crate::{
    channel::{ChannelId, Message, Subscription},
    config::Transport,
    framing::Farewell,
    log::Entry,
    response::{Body, take_over},
};

/// Something that a worker does for one connection.
pub type Doing<T> = Pin<Box<dyn Future<Output = T>>>;

/// A request that waits in a way of its own.
pub struct Follow {
    /// The line of the access log.
    pub entry: Option<Entry>,
    /// By what it waits at first.
    pub transport: Transport,
    /// The channels that it waits in at first.
    pub channels: Vec<ChannelId>,
    /// Of an earlier answer: cookies, and headers for a response that does not bring them itself.
    pub headers: HeaderMap,
    /// Makes the response; ends with its client.
    pub respond: Box<dyn FnOnce(Door) -> Doing<Said>>,
}

/// What a request that has waited is answered.
#[derive(Debug)]
pub enum Said {
    /// An answer of the application; what it has said of its page before holds for that, too.
    Answer(Response<Body>),
    /// A message, or why there is none.
    Message(Response<Body>),
}

/// A request that has become a conversation of another protocol.
pub struct Converse {
    /// The line of the access log.
    pub entry: Option<Entry>,
    /// Those of the 101.
    pub headers: HeaderMap,
    /// What is said; the connection ends with it.
    pub run: Box<dyn FnOnce(Door, Talk) -> Doing<()>>,
}

impl Follow {
    /// Makes the response.
    pub(super) async fn response(self, door: Door) -> Response<Body> {
        let (mut response, rest) = match (self.respond)(door).await {
            Said::Answer(response) => (response, true),
            Said::Message(response) => (response, false),
        };
        take_over(response.headers_mut(), &self.headers, rest);
        if let Some(entry) = self.entry {
            entry.status(response.status());
            if let Body::Full(body) = response.body()
                && !is_bodiless(response.status())
            {
                entry.sent(body.size_hint().lower());
            }
            response.extensions_mut().insert(entry);
        }
        response
    }
}

/// The way into the hall of a worker.
#[derive(Clone, Debug)]
pub struct Door {
    hall: HallCell,
    closing: watch::Receiver<bool>,
}

impl<H> Shared<H> {
    /// The way in.
    pub(super) fn door(&self) -> Door {
        Door { hall: self.hall.clone(), closing: self.closing.subscribe() }
    }
}

impl Door {
    /// Waits for messages; the subscription has taken its seats. In its channels it is one of that
    /// transport; whoever has one feed or several counts by [`Door::stay`].
    pub fn follow(&self, subscription: Subscription, transport: Transport) -> Feed {
        let key = self.hall.borrow_mut().join_body(subscription, transport, None, false);
        Feed { hall: self.hall.clone(), key }
    }

    /// Somebody waits from now on.
    pub fn stay(&self, transport: Transport) -> Stay {
        let tally = self.hall.borrow().tally.clone();
        tally.visited(transport);
        tally.waits(transport);
        Stay { tally, transport }
    }

    /// Waits for the server to shut down.
    pub async fn closing(&self) {
        let mut closing = self.closing.clone();
        // Without a sender there is no server.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}

/// Somebody who counts as one that waits, until it is dropped.
#[derive(Debug)]
pub struct Stay {
    tally: Arc<Tally>,
    transport: Transport,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.tally.parted(self.transport);
    }
}

/// The messages of a subscription, as they come.
#[derive(Debug)]
pub struct Feed {
    hall: HallCell,
    key: u32,
}

/// What a feed brings.
#[derive(Clone, Debug)]
pub enum News {
    /// A message.
    Message(Arc<Message>),
    /// There are no more.
    Over(Farewell),
}

impl Feed {
    /// In its channels it is one of another transport from now on.
    pub fn goes_by(&mut self, transport: Transport) {
        if let Some(waiter) = self.hall.borrow_mut().bodies.get(self.key) {
            waiter.transport = transport;
        }
    }

    /// What there is next.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        let mut hall = self.hall.borrow_mut();
        if let Some(Letter { message, gap }) = hall.next_for_body(self.key) {
            hall.tally.handed(std::slice::from_ref(&message), gap);
            return Poll::Ready(News::Message(message));
        }
        let closing = hall.closing;
        let Some(waiter) = hall.bodies.get(self.key) else {
            return Poll::Ready(News::Over(Farewell::Deleted));
        };
        if let Some(why) = waiter.dismissed.or(closing.then_some(Farewell::Shutdown)) {
            return Poll::Ready(News::Over(why));
        }
        waiter.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.hall.borrow_mut().leave_body(self.key);
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("headers", &self.headers).finish_non_exhaustive()
    }
}

impl fmt::Debug for Converse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converse").finish_non_exhaustive()
    }
}

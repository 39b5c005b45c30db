//! hyper speaks, the hall holds: how connections wait for messages at next to no cost.
//!
//! Every plain connection lives in its worker's [`Hall`] from accept to close. When bytes arrive,
//! hyper runs over them in place ([`exchange`]) and is dropped again; who waits stays, as one
//! entry of a slab, until [`deliver`] writes to it.

mod accept;
mod batch;
mod bodies;
mod deliver;
mod exchange;
mod expire;
mod hall;
mod head;
mod held;
mod local;
mod phase;
mod receive;
mod request;
mod shelf;
mod stream;
mod wait;
mod wheel;
mod wire;
mod worker;

use std::{future::Future, sync::Arc, time::Duration};

pub use accept::Listener;
use bytes::Bytes;
pub use hall::Listening;
use http::{HeaderMap, Request, Response};
pub use request::RequestBody;
pub use worker::Worker;

use crate::{
    access::Peer,
    channel::{Frame, FrameSlot, Message, Subscription},
    framing::{Framing, long_poll::LongPoll},
    response::Body,
};

/// What answers requests: the gateway.
pub trait Handler: 'static {
    /// Answers one request, at once if it can.
    fn respond(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Answer> + 'static;
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its address.
    pub peer: Peer,
    /// A number that no other connection of the process has.
    pub connection: u64,
    /// Which of the listening sockets it came to.
    pub listener: u16,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Answer {
    /// It is answered now.
    Respond(Response<Body>),
    /// It waits for messages.
    Hold(Box<Holding>),
}

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
}

/// How a location serves those that wait there by one transport; shared by all of them.
#[derive(Debug)]
pub struct Outlet {
    /// The wire format.
    pub style: Style,
    /// Where messages keep its frames.
    pub slot: FrameSlot,
    /// `push_ping_interval`, where the wire format has something to say.
    pub ping: Option<Duration>,
    /// `push_subscriber_timeout`.
    pub timeout: Option<Duration>,
}

/// Whether a response ends with its first message.
#[derive(Debug)]
pub enum Style {
    /// One message, one response.
    Once(LongPoll),
    /// One response, any number of messages.
    Endless(Box<dyn Framing>),
}

impl Outlet {
    /// The message as this outlet sends it.
    pub fn frame(&self, message: &Message) -> Frame {
        message.frame(self.slot, |message| match &self.style {
            Style::Once(framing) => framing.encode(message),
            Style::Endless(framing) => framing.encode(message),
        })
    }

    /// What keeps a silent response alive.
    fn ping_payload(&self) -> Bytes {
        match &self.style {
            Style::Once(_) => Bytes::new(),
            Style::Endless(framing) => framing.ping(),
        }
    }
}

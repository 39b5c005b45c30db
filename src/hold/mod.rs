//! hyper speaks, the hall holds: how connections wait for messages at next to no cost.
//!
//! Every plain connection lives in its worker's [`Hall`] from accept to close. When bytes arrive,
//! hyper runs over them in place ([`exchange`]) and is dropped again; who waits stays, as one
//! entry of a slab, until [`deliver`] writes to it. A request that is simple ([`simple`]) and can be
//! answered at once goes past hyper ([`direct`]).

mod accept;
mod answers;
mod batch;
mod bodies;
mod complete;
mod deliver;
mod direct;
mod dismiss;
mod exchange;
mod expire;
mod follow;
mod frames;
mod guest;
mod hall;
mod head;
mod held;
mod inbound;
mod incoming;
mod local;
mod outlet;
mod passing;
mod pause;
mod phase;
mod proxied;
mod receive;
mod reply;
mod request;
mod respond;
mod send_batch;
mod serve;
mod shelf;
mod simple;
mod slice;
mod socket;
mod stream;
mod survey;
mod tabs;
mod talk;
mod tally;
mod task;
mod tunnel;
mod wait;
mod wheel;
mod wire;
mod worker;

use std::future::Future;

pub use accept::Listener;
pub use batch::enough;
pub use follow::{Converse, Doing, Door, Feed, Follow, News, Said, Stay};
pub use guest::Guest;
pub use hall::Listening;
use http::{Request, Response};
pub use inbound::{Inbound, Incoming, Received, Taking};
pub use outlet::{Headers, Holding, Outlet, Style};
pub use request::RequestBody;
pub use tabs::{Browsers, Tab, Tabs};
pub use talk::Talk;
pub use tally::{CLASSES, Counter, End, Tally};
pub use tunnel::Tunnel;
pub use worker::Worker;

use crate::{access::Peer, response::Body};

/// What answers requests: the gateway.
pub trait Handler: 'static {
    /// Answers one request, at once if it can.
    fn respond(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Answer> + 'static;

    /// The server shuts down: whoever waits for what may not come is answered.
    fn closing(&self) {}

    /// Waits until what nobody waits for is done, too, so far as that can be; nobody comes any more.
    fn settled(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
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
    /// Its peer speaks for somebody else, and nobody trusted says for whom.
    pub forwarded: bool,
}

impl Client {
    /// The number of the worker that has the connection.
    pub fn worker(&self) -> usize {
        usize::try_from(self.connection >> worker::CONNECTION_BITS).unwrap_or_default()
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Answer {
    /// It is answered now.
    Respond(Response<Body>),
    /// It waits for messages.
    Hold(Box<Holding>),
    /// It waits for messages in a way of its own.
    Follow(Follow),
    /// Its connection is the application's from now on.
    Tunnel(Box<Tunnel>),
    /// Its connection speaks another protocol from now on.
    Converse(Converse),
}

//! One socket of the hall.

use std::{os::fd::OwnedFd, sync::Arc};

use bytes::Bytes;

use super::{Client, Guest, Outlet, Style, Tab, hall::Sent, socket::Socket, wheel::Tick};
use crate::{
    channel::{Checksum, MessageId},
    framing::Farewell,
    log::Entry,
};

/// A connection. There are very many of them, so what only few need is behind `rare`.
#[allow(clippy::struct_excessive_bools)] // Seven independent facts, a byte each.
#[derive(Debug)]
pub(super) struct Held {
    /// Gone while an exchange has it.
    pub(super) fd: Option<OwnedFd>,
    /// Tells this connection from earlier ones with the same key.
    pub(super) generation: u32,
    pub(super) client: Client,
    pub(super) phase: Phase,
    /// The socket takes no more bytes: `EPOLLOUT` is awaited.
    pub(super) blocked: bool,
    /// The client sent more than it may while it waits: nothing is read.
    pub(super) deaf: bool,
    /// The client sends nothing more.
    pub(super) eof: bool,
    /// The connection ends with the response.
    pub(super) close: bool,
    /// The response is not in chunks: the client speaks HTTP/1.0, or WebSocket.
    pub(super) raw: bool,
    /// Its message has to wait for other tabs.
    pub(super) paused: bool,
    /// A WebSocket has been pinged, and nothing has come from it since.
    pub(super) pinged: bool,
    /// What it has seen, while it waits.
    pub(super) cursor: MessageId,
    pub(super) outlet: Option<Arc<Outlet>>,
    pub(super) place: Place,
    /// Tells its seat from later ones.
    pub(super) ticket: u32,
    /// When its phase ends.
    pub(super) deadline: Tick,
    /// When it has been silent for too long.
    pub(super) ping: Tick,
    /// Where the wheel will look at it next.
    pub(super) queued: Tick,
    pub(super) rare: Option<Box<Rare>>,
}

/// One that waits alone for a channel must stay cheap.
const _: () = assert!(size_of::<Held>() <= 128);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Its proxy has to say whose it is.
    Proxied,
    /// Waits for a request, or the rest of its head.
    Idle,
    /// Waits for messages.
    Held,
    /// The rest of a response is on its way; then it is idle or closed.
    Ending,
    /// Closed by us; what the client still sends is thrown away, so that it sees the answer.
    Lingering,
}

/// Where a connection waits.
#[derive(Debug, Default)]
pub(super) enum Place {
    #[default]
    Nowhere,
    /// In one channel: its local number, and the index among its subscribers.
    One(u32, u32),
    /// In several.
    Many(Box<[Member]>),
}

/// One of the channels of a connection that waits in several.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) local: u32,
    pub(super) at: u32,
    pub(super) ticket: u32,
}

/// What only few connections need.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Received, and not yet looked at.
    pub(super) input: Vec<u8>,
    /// The input is looked at when it is its turn.
    pub(super) ready: bool,
    /// Bytes in front of the next message.
    pub(super) unsent: Bytes,
    /// Header lines of the response that belong to this request alone.
    pub(super) headers: Bytes,
    /// What has gone out, once it is decompressed, if it is compressed.
    pub(super) sent: Checksum,
    /// The other direction of a WebSocket.
    pub(super) socket: Option<Box<Socket>>,
    /// It is one of several tabs.
    pub(super) tab: Option<Tab>,
    /// Its line of the access log, until the response is over.
    pub(super) entry: Option<Entry>,
    /// It is sent away, for this reason, behind the messages up to this one.
    pub(super) parting: Option<(Farewell, MessageId)>,
    /// Is dropped when it waits no longer.
    pub(super) guest: Option<Box<dyn Guest>>,
}

impl Held {
    pub(super) fn new(fd: OwnedFd, client: Client, generation: u32) -> Self {
        Self {
            fd: Some(fd),
            generation,
            client,
            phase: Phase::Idle,
            blocked: false,
            deaf: false,
            eof: false,
            close: false,
            raw: false,
            paused: false,
            pinged: false,
            cursor: MessageId::ZERO,
            outlet: None,
            place: Place::Nowhere,
            ticket: 0,
            deadline: Tick::NEVER,
            ping: Tick::NEVER,
            queued: Tick::NEVER,
            rare: None,
        }
    }

    /// For its line of the access log.
    pub(super) fn note_sent(&self, sent: Sent) {
        if let (Some(entry), Sent::Bytes(sent)) = (self.entry(), sent) {
            entry.sent(sent as u64);
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Bytes that must go out before anything else.
    pub(super) fn unsent(&self) -> Bytes {
        self.rare.as_ref().map(|rare| rare.unsent.clone()).unwrap_or_default()
    }

    /// Whether it waits for a message before there is any response.
    pub(super) fn polls(&self) -> bool {
        matches!(self.outlet.as_deref(), Some(Outlet { style: Style::Poll(_), .. }))
    }

    /// Its line of the access log, if there is one.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.rare.as_ref()?.entry.as_ref()
    }

    /// What it still gets before it is sent away, if it is.
    pub(super) fn parting(&self) -> Option<(Farewell, MessageId)> {
        self.rare.as_ref()?.parting
    }

    /// Whether it has to go, for a reason of its own.
    pub(super) fn is_revoked(&self) -> bool {
        let guest = self.rare.as_ref().and_then(|rare| rare.guest.as_ref());
        guest.is_some_and(|guest| guest.is_revoked())
    }

    /// It waits no longer.
    pub(super) fn dismiss_guest(&mut self) {
        if let Some(mut guest) = self.rare.as_mut().and_then(|rare| rare.guest.take()) {
            guest.saw(self.cursor);
        }
    }

    /// Whether something has been received that nobody has looked at.
    pub(super) fn has_input(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.input.is_empty())
    }

    /// Whether it is to be looked at what it has sent.
    pub(super) fn is_ready(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.ready)
    }

    /// Whether it is a WebSocket that has sent messages which nobody has taken yet.
    pub(super) fn has_work(&self) -> bool {
        let socket = self.rare.as_ref().and_then(|rare| rare.socket.as_ref());
        self.phase == Phase::Held
            && self.is_socket()
            && (self.has_input() || socket.is_some_and(|socket| socket.is_busy()))
    }

    /// Whether it is a WebSocket.
    pub(super) fn is_socket(&self) -> bool {
        self.outlet.as_ref().is_some_and(|outlet| outlet.socket.is_some())
    }

    /// Counts what goes out of a compressed stream.
    pub(super) fn count(&mut self, plain: Checksum) {
        if plain != Checksum::default() {
            let rare = self.rare();
            rare.sent = rare.sent.then(plain);
        }
    }

    /// Frees what is there for few connections, once nothing is in it.
    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.input.is_empty()
            && self.unsent.is_empty()
            && self.headers.is_empty()
            && self.sent == Checksum::default()
            && self.socket.as_ref().is_none_or(|socket| socket.is_empty())
            && self.tab.is_none()
            && self.entry.is_none()
            && self.parting.is_none()
            && self.guest.is_none()
    }
}

/// Tickets count up and wrap.
pub(super) fn earlier(ticket: u32, before: u32) -> bool {
    before.wrapping_sub(ticket).cast_signed() > 0
}

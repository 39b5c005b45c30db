//! The receiving side of WebSockets in the hall: what is kept between two reads, what is answered.
//!
//! Between two frames a socket has no state here, unless it may publish.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use rustix::event::epoll::EventData;

use super::{Inbound, Incoming, Received, hall::Hall, held::Phase, wire::AHEAD};
use crate::{
    response::Refusal,
    websocket::{Decoder, Limits, Opcode, Violation, close, code, encode},
};

/// The receiving side of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Socket {
    /// Within a message or a frame.
    decoder: Option<(Decoder, Unfinished)>,
    inbound: Option<Rc<dyn Inbound>>,
    /// A message is being taken.
    busy: bool,
    /// The answer to the latest ping, while the socket takes nothing (RFC 6455 section 5.5.3).
    pong: Bytes,
    /// Answers to messages, while the socket takes nothing.
    replies: Vec<u8>,
}

/// What an unfinished message takes of [`UNFINISHED`], as long as it exists.
#[derive(Debug)]
struct Unfinished {
    total: Rc<Cell<usize>>,
    bytes: usize,
}

impl Unfinished {
    fn new(total: &Rc<Cell<usize>>, bytes: usize) -> Self {
        total.set(total.get() + bytes);
        Self { total: total.clone(), bytes }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes);
    }
}

impl Socket {
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether nothing would be lost without it.
    pub(super) fn is_empty(&self) -> bool {
        self.decoder.is_none()
            && self.inbound.is_none()
            && !self.busy
            && self.pong.is_empty()
            && self.replies.is_empty()
    }
}

/// The longest message that is ignored, in bytes; it is collected before that.
const IGNORED: usize = 16 << 10;
/// Bytes of unfinished messages that all sockets of a worker may have sent.
const UNFINISHED: usize = 64 << 20;
/// Bytes of answers that may wait for a client that does not read, but for the last of them.
const REPLIES: usize = 64 << 10;
pub(super) const NOT_TAKEN: &str = "Messages are not taken here.";

impl Hall {
    /// Makes a connection a WebSocket whose messages somebody takes.
    pub(super) fn open_socket(&mut self, key: u32, inbound: Option<Rc<dyn Inbound>>) {
        if inbound.is_some() {
            self.socket(key).inbound = inbound;
        }
    }

    /// A client may send frames right behind its handshake.
    pub(super) fn begin_frames(&mut self, key: u32) {
        if self.held.get(key as usize).is_some_and(|held| held.is_socket() && held.has_input()) {
            self.ready.push(key);
        }
    }

    fn socket(&mut self, key: u32) -> &mut Socket {
        self.held[key as usize].rare().socket.get_or_insert_default()
    }

    /// What reads the frames of a waiting socket, from where it left off.
    pub(super) fn decoder(&mut self, key: u32) -> Option<(Decoder, Incoming)> {
        let held = self.held.get_mut(key as usize)?;
        held.pinged = false;
        let incoming = held.outlet.as_ref()?.socket.filter(|_| held.phase == Phase::Held)?;
        let socket = held.rare.as_mut().and_then(|rare| rare.socket.as_mut());
        let decoder = socket.and_then(|socket| socket.decoder.take()).map(|(decoder, _)| decoder);
        let max_message = self.limit(key, incoming);
        let limits = Limits { max_message, deflate: incoming.deflate };
        Some((decoder.unwrap_or_else(|| Decoder::new(limits)), incoming))
    }

    /// What nobody takes needs no room.
    fn limit(&self, key: u32, incoming: Incoming) -> usize {
        let taken = self.inbound(key).is_some();
        match (taken, incoming.ignores) {
            (true, _) => incoming.max_message,
            (false, true) => incoming.max_message.min(IGNORED),
            (false, false) => 0,
        }
    }

    /// Puts away what the next bytes go on with, and bytes that nobody has looked at.
    pub(super) fn keep(&mut self, key: u32, decoder: Decoder, input: &[u8]) {
        let Some(held) = self.held.get_mut(key as usize) else { return };
        if held.phase != Phase::Held {
            return;
        }
        if !decoder.is_idle() {
            let unfinished = Unfinished::new(&self.unfinished, decoder.buffered());
            let socket = held.rare().socket.get_or_insert_default();
            socket.decoder = Some((decoder, unfinished));
            if self.unfinished.get() > UNFINISHED {
                let busy = "Too many messages are unfinished.";
                return self.hang_up(key, &close(code::TRY_AGAIN, busy));
            }
        }
        if !input.is_empty() {
            let rare = held.rare();
            // In front of what has come since.
            rare.input.splice(..0, input.iter().copied());
        }
        self.listen(key);
    }

    /// Reads on, unless there is too much to do already.
    fn listen(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        let rare = held.rare.as_ref();
        let busy = rare.is_some_and(|rare| rare.socket.as_ref().is_some_and(|socket| socket.busy));
        let waiting = rare.map_or(0, |rare| rare.input.len());
        let deaf = busy || waiting >= AHEAD;
        if !busy && waiting > 0 {
            self.ready.push(key);
        }
        held.tidy();
        if held.eof {
            if !busy && waiting == 0 {
                self.close(key);
            }
            return;
        }
        if held.deaf != deaf {
            held.deaf = deaf;
            self.arm(key);
        }
    }

    /// Bytes that a socket sent while it was busy.
    pub(super) fn waiting_input(&mut self, key: u32) -> Option<Vec<u8>> {
        let rare = self.held.get_mut(key as usize)?.rare.as_mut()?;
        if rare.socket.as_ref().is_some_and(|socket| socket.busy) {
            return None;
        }
        Some(std::mem::take(&mut rare.input)).filter(|input| !input.is_empty())
    }

    pub(super) fn inbound(&self, key: u32) -> Option<Rc<dyn Inbound>> {
        self.held.get(key as usize)?.rare.as_ref()?.socket.as_ref()?.inbound.clone()
    }

    /// From now on a message is being taken; returns what finds the connection again.
    pub(super) fn begin_taking(&mut self, key: u32) -> Option<EventData> {
        self.held.get(key as usize)?;
        self.socket(key).busy = true;
        Some(self.data(key))
    }

    pub(super) fn end_taking(&mut self, key: u32) {
        if self.held[key as usize].phase == Phase::Held {
            self.socket(key).busy = false;
            self.listen(key);
        }
    }

    /// Answers a ping; if the socket takes nothing now, only the latest.
    pub(super) fn pong(&mut self, key: u32, pong: Bytes) {
        if self.held[key as usize].blocked {
            self.socket(key).pong = pong;
        } else {
            self.interject(key, &pong);
        }
    }

    /// Answers a message, if there is something to answer; in the order of the messages. Returns whether
    /// the socket is still there.
    pub(super) fn reply(&mut self, key: u32, reply: Option<Received>) -> bool {
        let Some(Received { body, binary }) = reply else { return true };
        let Some(held) = self.held.get(key as usize) else { return false };
        if held.phase != Phase::Held {
            return true;
        }
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        let frame = encode(opcode, false, &body);
        if !held.blocked {
            self.interject(key, &frame);
        } else if self.socket(key).replies.len() < REPLIES {
            self.socket(key).replies.extend_from_slice(&frame);
        } else {
            self.hang_up(key, &close(code::TRY_AGAIN, "Too many answers are not read."));
        }
        self.held.get(key as usize).is_some_and(|held| held.phase == Phase::Held)
    }

    /// Sends the answers that had to wait, to messages and to a ping. Returns whether the socket is still blocked.
    pub(super) fn pong_first(&mut self, key: u32) -> bool {
        let socket = self.held[key as usize].rare.as_mut().and_then(|rare| rare.socket.as_mut());
        let waiting = |socket: &mut Box<Socket>| {
            [std::mem::take(&mut socket.replies), std::mem::take(&mut socket.pong).into()].concat()
        };
        let pong: Bytes = socket.map(waiting).unwrap_or_default().into();
        if pong.is_empty() || self.held[key as usize].phase != Phase::Held {
            return false;
        }
        self.interject(key, &pong);
        self.held.get(key as usize).is_none_or(|held| !held.unsent().is_empty())
    }

    /// Ends a socket with a closing frame.
    pub(super) fn hang_up(&mut self, key: u32, frame: &Bytes) {
        let Some(held) = self.held.get_mut(key as usize) else { return };
        held.close = true;
        self.part_with(key, frame);
    }

    pub(super) fn violated(&mut self, key: u32, violation: &Violation) {
        if violation.code == code::TOO_LARGE && self.inbound(key).is_none() {
            return self.hang_up(key, &close(code::POLICY, NOT_TAKEN));
        }
        self.hang_up(key, &violation.frame());
    }

    /// Ends a socket whose message was not taken.
    pub(super) fn refused(&mut self, key: u32, refusal: &Refusal) {
        let code = match refusal {
            Refusal::TooLarge => code::TOO_LARGE,
            Refusal::BadGateway(_)
            | Refusal::BudgetSpent
            | Refusal::GatewayTimeout(_)
            | Refusal::Unavailable(_) => code::TRY_AGAIN,
            _ => code::POLICY,
        };
        self.hang_up(key, &close(code, &refusal.to_string()));
    }
}

//! From one phase of a connection to the next.

use std::time::Duration;

use bytes::Bytes;

use super::{hall::Hall, held::Phase, incoming, wheel::Tick, wire::AHEAD};
use crate::channel::Checksum;

/// How long a connection that we closed may go on sending: nginx's `lingering_timeout`.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// The same while the server shuts down: a client that keeps its side open must not delay it.
const BRIEF_LINGER: Duration = Duration::from_millis(500);
/// How long a client may take none of the bytes that are there for it: nginx's `send_timeout`.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_mins(1);

impl Hall {
    /// The connection is free for the next request.
    pub(super) fn idle(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        held.phase = Phase::Idle;
        held.outlet = None;
        (held.paused, held.pinged) = (false, false);
        held.ping = Tick::NEVER;
        if self.closing {
            return self.linger(key);
        }
        if let Some(rare) = held.rare.as_mut().filter(|rare| incoming::is_blank(&rare.input)) {
            rare.input = Vec::new();
        }
        held.tidy();
        let ahead = held.rare.as_ref().map_or(0, |rare| rare.input.len());
        let input = ahead > 0;
        if held.eof && !input {
            return self.close(key);
        }
        let listening = &self.listening[usize::from(held.client.listener)];
        let patience = if input { listening.header_timeout } else { listening.keepalive_timeout };
        self.set_deadline(key, Some(patience));
        if ahead < AHEAD {
            self.listen_again(key);
        }
        if input {
            self.held[key as usize].rare().ready = true;
            self.ready.push(key);
        }
    }

    /// Sends the rest of an answer; then the connection is idle or closed.
    pub(super) fn end(&mut self, key: u32, rest: Bytes) {
        if rest.is_empty() {
            return self.ended(key);
        }
        let held = &mut self.held[key as usize];
        held.phase = Phase::Ending;
        held.rare().unsent = rest;
        held.ping = Tick::NEVER;
        self.set_deadline(key, Some(SEND_TIMEOUT));
        self.set_blocked(key, true);
    }

    /// An answer has gone out.
    pub(super) fn ended(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        if let Some(rare) = &mut held.rare {
            (rare.headers, rare.sent) = (Bytes::new(), Checksum::default());
            (rare.socket, rare.tab, rare.parting) = (None, None, None);
            rare.entry = None;
        }
        held.tidy();
        if held.close || self.closing { self.linger(key) } else { self.idle(key) }
    }

    /// Closes the sending side, and waits for the client to do the same: closing at once would
    /// destroy an answer that it has not read yet (RFC 9112 section 9.6).
    pub(super) fn linger(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        held.phase = Phase::Lingering;
        held.outlet = None;
        held.rare = None;
        held.deaf = false;
        held.ping = Tick::NEVER;
        let shut =
            held.fd.as_ref().map(|fd| rustix::net::shutdown(fd, rustix::net::Shutdown::Write));
        if held.eof || !matches!(shut, Some(Ok(()))) {
            return self.close(key);
        }
        held.blocked = false;
        self.arm(key);
        let patience = if self.closing { BRIEF_LINGER } else { LINGER };
        self.set_deadline(key, Some(patience));
    }

    /// Closes a connection, whatever it was doing.
    pub(super) fn close(&mut self, key: u32) {
        self.leave(key);
        if self.held.remove(key as usize).is_some() {
            self.tally.closed.add(1);
        }
    }
}

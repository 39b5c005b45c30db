//! From the ring to the sockets, in slices.
//!
//! A pass walks the subscribers of a channel; between its slices the worker serves everyone else.
//! A socket that takes no more leaves the pass: it goes on by itself, from its cursor, when it can
//! be written to.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Holding, Outlet, Style,
    batch::Batch,
    hall::{Hall, Sent},
    head::{self, Persistence},
    held::{Held, Member, Phase, Place},
};
use crate::{
    channel::{Dismissal, Message, Note, Subscription, read},
    framing::{
        Farewell, chunk,
        long_poll::{LongPoll, write_headers},
    },
};

/// Subscribers served before the worker looks at everything else.
const SLICE: usize = 256;
/// Different batches that are kept at hand during a slice.
const BATCHES: usize = 8;

/// What a slice has to give.
struct Slice {
    local: u32,
    messages: Vec<Arc<Message>>,
    batches: Vec<Batch>,
}

impl Hall {
    /// Does what channels have asked for.
    pub(super) fn notice(&mut self, notes: &mut Vec<Note>) {
        self.mailbox.take(notes);
        for note in notes.drain(..) {
            match note {
                Note::Messages { local } => self.locals.queue(local),
                Note::Dismiss { local, before, why } => self.dismiss(local, before, why),
            }
        }
    }

    /// Serves some subscribers of one channel.
    pub(super) fn deliver(&mut self) {
        let Some(local) = self.locals.next() else { return };
        let mailbox = self.mailbox.clone();
        let Some(entry) = self.locals.get(local) else { return };
        let mut messages = Vec::new();
        entry.channel.collect(&mailbox, entry.served, &mut messages);
        if entry.ahead == 0 {
            entry.ahead = entry.subscribers.len();
            entry.target = messages.last().map_or(entry.served, |message| message.id());
        }
        if messages.is_empty() {
            entry.ahead = 0;
        }
        let mut slice = Slice { local, messages, batches: Vec::new() };
        for _ in 0..SLICE {
            let Some(entry) = self.locals.get(local) else { return };
            entry.ahead = entry.ahead.min(entry.subscribers.len());
            let Some(at) = entry.ahead.checked_sub(1) else { break };
            entry.ahead = at;
            let key = entry.subscribers[at];
            self.serve(key, &mut slice);
        }
        self.walked(local);
    }

    fn walked(&mut self, local: u32) {
        let Some(entry) = self.locals.get(local) else { return };
        let (channel, target) = (entry.channel.clone(), entry.target);
        let left = std::mem::take(&mut entry.left);
        if entry.ahead == 0 {
            entry.served = target.max(entry.served);
            channel.served(&self.mailbox, target, left);
        } else {
            channel.leave(left);
        }
        self.locals.walked(local);
        self.locals.release(local, &self.mailbox);
    }

    fn serve(&mut self, key: u32, slice: &mut Slice) {
        if self.bodies.serve(key, &slice.messages) {
            return;
        }
        let Some(held) = self.held.get(key as usize) else { return };
        if held.blocked || held.phase != Phase::Held {
            return;
        }
        let Some(outlet) = held.outlet.clone() else { return };
        if matches!(held.place, Place::Many(_)) {
            return self.catch_up(key, &outlet);
        }
        let (raw, cursor) = (held.raw, held.cursor);
        let at = slice.batches.iter().position(|batch| batch.suits(&outlet, raw, cursor));
        let at = at.or_else(|| {
            let batch = Batch::new(&outlet, raw, cursor, &slice.messages)?;
            if slice.batches.len() >= BATCHES {
                slice.batches.clear();
            }
            slice.batches.push(batch);
            Some(slice.batches.len() - 1)
        });
        let Some(batch) = at.and_then(|at| slice.batches.get(at)) else { return };
        self.transmit(key, &outlet, Bytes::new(), batch, Some(slice.local));
    }

    /// Sends what a subscriber has not had, straight from the rings.
    pub(super) fn catch_up(&mut self, key: u32, outlet: &Arc<Outlet>) {
        match self.pending(key, outlet) {
            Some(batch) => self.transmit(key, outlet, Bytes::new(), &batch, None),
            None => self.set_blocked(key, false),
        }
    }

    /// What a subscriber has not had.
    fn pending(&mut self, key: u32, outlet: &Arc<Outlet>) -> Option<Batch> {
        let held = &mut self.held[key as usize];
        let (raw, cursor) = (held.raw, held.cursor);
        let place = std::mem::take(&mut held.place);
        let channels = self.channels(&place);
        self.held[key as usize].place = place;
        Batch::new(outlet, raw, cursor, &read(&channels, cursor))
    }

    /// Lets a connection wait: the head goes out, with whatever there is to read already.
    pub(super) fn hold(&mut self, key: u32, holding: Holding, persistence: Persistence) {
        let Holding { subscription, outlet, headers, .. } = holding;
        let lead = match &outlet.style {
            Style::Once(_) => Vec::new(),
            Style::Endless(framing) => {
                let opening = framing.opening();
                let mut lead = head::endless(&headers, persistence);
                lead.extend_from_slice(&if persistence.raw {
                    opening
                } else {
                    chunk(&opening).bytes
                });
                lead
            }
        };
        let held = &mut self.held[key as usize];
        held.phase = Phase::Held;
        (held.close, held.raw) = (persistence.close, persistence.raw);
        held.outlet = Some(outlet.clone());
        held.cursor = subscription.cursor();
        if lead.is_empty() && !headers.is_empty() {
            let mut lines = Vec::new();
            write_headers(&mut lines, &headers);
            held.rare().headers = lines.into();
        }
        self.join(key, subscription);
        self.set_deadline(key, outlet.timeout);
        match self.pending(key, &outlet) {
            Some(batch) => self.transmit(key, &outlet, lead.into(), &batch, None),
            None => self.lead(key, &outlet, lead.into()),
        }
    }

    fn join(&mut self, key: u32, subscription: Subscription) {
        let mut members = Vec::new();
        for (channel, ticket) in subscription.into_seats() {
            let (local, at) = self.locals.join(&channel, &self.mailbox, key);
            members.push(Member { local, at, ticket });
        }
        let held = &mut self.held[key as usize];
        held.place = match members[..] {
            [Member { local, at, ticket }] => {
                held.ticket = ticket;
                Place::One(local, at)
            }
            _ => Place::Many(members.into()),
        };
    }

    fn lead(&mut self, key: u32, outlet: &Outlet, lead: Bytes) {
        let Sent::Bytes(sent) = self.send(key, &lead) else { return self.close(key) };
        if sent < lead.len() {
            self.held[key as usize].rare().unsent = lead.slice(sent..);
            self.set_blocked(key, true);
        }
        self.sent_something(key, outlet);
    }

    /// Writes `lead` and then a batch; what does not go out waits for the socket.
    ///
    /// `walking` is the channel whose pass is under way: seats there are given up at its end.
    pub(super) fn transmit(
        &mut self,
        key: u32,
        outlet: &Arc<Outlet>,
        lead: Bytes,
        batch: &Batch,
        walking: Option<u32>,
    ) {
        let held = &mut self.held[key as usize];
        let body = match &outlet.style {
            Style::Once(_) => with_headers(held, batch),
            Style::Endless(_) => batch.bytes.clone(),
        };
        let bytes = if lead.is_empty() { body } else { [&lead[..], &body[..]].concat().into() };
        let Sent::Bytes(sent) = self.send(key, &bytes) else { return self.close(key) };
        let held = &mut self.held[key as usize];
        if matches!(outlet.style, Style::Once(_)) {
            held.cursor = batch.last();
            self.vacate(key, walking);
            return self.end(key, bytes.slice(sent..));
        }
        let (seen, unsent) = match sent.checked_sub(lead.len()) {
            None => (held.cursor, lead.slice(sent..)),
            Some(sent) => batch.progress(sent),
        };
        let finished = sent == bytes.len();
        held.cursor = if finished { batch.last() } else { seen };
        if !unsent.is_empty() {
            held.rare().unsent = unsent;
        }
        self.sent_something(key, outlet);
        self.set_blocked(key, !finished || batch.more);
    }

    /// Gives up a subscriber's seats; in the channel that is being walked, at the end of the pass.
    fn vacate(&mut self, key: u32, walking: Option<u32>) {
        match (&self.held[key as usize].place, walking) {
            (&Place::One(local, at), Some(walked)) if local == walked => {
                self.held[key as usize].place = Place::Nowhere;
                if let Some(entry) = self.locals.get(local) {
                    entry.left += 1;
                }
                self.stand(local, at);
            }
            _ => self.leave(key),
        }
    }

    /// Puts off the next ping.
    pub(super) fn sent_something(&mut self, key: u32, outlet: &Outlet) {
        if let Some(interval) = outlet.ping {
            self.held[key as usize].ping = self.wheel.after(self.now, interval);
            self.schedule(key);
        }
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, key: u32) {
        let Some(held) = self.held.get_mut(key as usize) else { return };
        let unsent = held.unsent();
        let Sent::Bytes(sent) = self.send(key, &unsent) else { return self.close(key) };
        let held = &mut self.held[key as usize];
        if !unsent.is_empty() {
            held.rare().unsent = unsent.slice(sent..);
        }
        held.tidy();
        let outlet = held.outlet.clone();
        match (held.phase, outlet) {
            (Phase::Ending, _) if sent < unsent.len() => self.end(key, unsent.slice(sent..)),
            _ if sent < unsent.len() => {}
            (Phase::Held, Some(outlet)) if !held.once() => self.catch_up(key, &outlet),
            (Phase::Ending, _) => {
                self.set_blocked(key, false);
                self.ended(key);
            }
            _ => self.set_blocked(key, false),
        }
    }

    /// Something that must not be mixed into a message: goes out now, or not at all.
    pub(super) fn ping(&mut self, key: u32) {
        let held = &self.held[key as usize];
        let Some(outlet) = held.outlet.clone() else { return };
        let payload = outlet.ping_payload();
        if !held.blocked && !payload.is_empty() {
            let bytes = if held.raw { payload } else { chunk(&payload).bytes };
            let Sent::Bytes(sent) = self.send(key, &bytes) else { return self.close(key) };
            if sent < bytes.len() && sent > 0 {
                self.held[key as usize].rare().unsent = bytes.slice(sent..);
                self.set_blocked(key, true);
            }
        }
        self.sent_something(key, &outlet);
    }

    /// Those who took their seats before a ticket have to go.
    fn dismiss(&mut self, local: u32, before: u32, why: Dismissal) {
        let Some(entry) = self.locals.get(local) else { return };
        let why = match why {
            Dismissal::Conflict => Farewell::Conflict,
            Dismissal::Deleted => Farewell::Deleted,
        };
        for key in entry.subscribers.clone() {
            if self.bodies.dismiss(key, local, before, why) {
                continue;
            }
            let Some(held) = self.held.get(key as usize) else { continue };
            let ticket = match &held.place {
                Place::Many(members) => members.iter().find(|m| m.local == local).map(|m| m.ticket),
                Place::One(..) => Some(held.ticket),
                Place::Nowhere => None,
            };
            if ticket.is_some_and(|ticket| earlier(ticket, before)) {
                self.farewell(key, why);
            }
        }
    }

    /// Ends a wait in its transport's way.
    pub(super) fn farewell(&mut self, key: u32, why: Farewell) {
        let held = &mut self.held[key as usize];
        let Some(outlet) = held.outlet.clone() else { return };
        held.close |= why == Farewell::Shutdown;
        let bytes: Bytes = match &outlet.style {
            Style::Once(_) => {
                let (status, headers) = LongPoll::farewell(why);
                let close = held.close;
                let more = held.rare.as_ref().map(|rare| rare.headers.clone()).unwrap_or_default();
                head::empty(status, &headers, &more, close)
            }
            Style::Endless(framing) => ending(&framing.closing(why), held.raw),
        };
        held.close |= held.raw;
        let unsent = held.unsent();
        self.leave(key);
        let held = &mut self.held[key as usize];
        if held.blocked {
            // Behind the rest of the message that is on its way.
            return self.end(key, [&unsent[..], &bytes[..]].concat().into());
        }
        let Sent::Bytes(sent) = self.send(key, &bytes) else { return self.close(key) };
        self.end(key, bytes.slice(sent..));
    }
}

/// The last bytes of an endless response.
pub(super) fn ending(closing: &[u8], raw: bool) -> Bytes {
    if raw {
        return Bytes::copy_from_slice(closing);
    }
    [&chunk(closing).bytes[..], b"0\r\n\r\n"].concat().into()
}

/// Tickets count up and wrap.
pub(super) fn earlier(ticket: u32, before: u32) -> bool {
    before.wrapping_sub(ticket).cast_signed() > 0
}

/// A polled response with the header lines of this request, and of the gap before it.
fn with_headers(held: &Held, batch: &Batch) -> Bytes {
    let own = held.rare.as_ref().map(|rare| rare.headers.clone()).unwrap_or_default();
    if own.is_empty() && !held.close && !batch.gap {
        return batch.bytes.clone();
    }
    let mut lines = own.to_vec();
    if batch.gap {
        lines.extend_from_slice(format!("X-Push-Gap: {}\r\n", held.cursor).as_bytes());
    }
    if held.close {
        lines.extend_from_slice(head::CLOSE);
    }
    let (before, after) = batch.bytes.split_at(batch.headers_end);
    [before, &lines, after].concat().into()
}

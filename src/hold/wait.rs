//! How a connection begins to wait, is kept alive, and is sent away.

use bytes::Bytes;

use super::{
    Holding, Outlet, Style,
    hall::{Hall, Sent},
    head::{self, Persistence},
    held::{Member, Phase, Place, earlier},
};
use crate::{
    channel::{Dismissal, Subscription},
    framing::{
        Farewell, chunk,
        long_poll::{LongPoll, write_headers},
    },
};

impl Hall {
    /// Lets a connection wait: the head goes out, with whatever there is to read already.
    pub(super) fn hold(&mut self, key: u32, holding: Holding, persistence: Persistence) {
        let Holding { subscription, outlet, headers, .. } = holding;
        let listener = usize::from(self.held[key as usize].client.listener);
        let last = self.listening[listener].keepalive_timeout.is_zero();
        let persistence = Persistence { close: persistence.close || last, ..persistence };
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
            Some(batch) => self.transmit(key, &outlet, &lead.into(), &batch, None),
            None => self.lead(key, &outlet, &lead.into()),
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

    fn lead(&mut self, key: u32, outlet: &Outlet, lead: &Bytes) {
        let Sent::Bytes(sent) = self.send(key, lead) else { return self.close(key) };
        if sent < lead.len() {
            self.held[key as usize].rare().unsent = lead.slice(sent..);
            self.set_blocked(key, true);
        }
        self.sent_something(key, outlet);
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

    /// Those whom a channel has dismissed have to go.
    pub(super) fn dismiss(&mut self, local: u32) {
        let Some(entry) = self.locals.get(local) else { return };
        let Some((before, why)) = entry.channel.dismissed() else { return };
        let why = match why {
            Dismissal::Conflict => Farewell::Conflict,
            Dismissal::Deleted => Farewell::Deleted,
        };
        for key in entry.subscribers.clone() {
            if self.dismiss_body(key, local, before, why) {
                continue;
            }
            let Some(held) = self.held.get(key as usize) else { continue };
            let ticket = match &held.place {
                Place::Many(members) => members.iter().find(|m| m.local == local).map(|m| m.ticket),
                Place::One(..) => Some(held.ticket),
                Place::Nowhere => None,
            };
            if ticket.is_some_and(|ticket| earlier(ticket, before)) {
                self.send_away(key, why);
            }
        }
    }

    /// Ends a wait behind what was published before: its publisher was told who would get it.
    pub(super) fn send_away(&mut self, key: u32, why: Farewell) {
        let held = &mut self.held[key as usize];
        held.close |= why == Farewell::Shutdown;
        let outlet = held.outlet.clone().filter(|_| !held.blocked);
        if let Some(outlet) = outlet {
            self.catch_up(key, &outlet);
        }
        // A poll ends with the message, and who is gone with the write.
        if self.held.get(key as usize).is_some_and(|held| held.phase == Phase::Held) {
            self.farewell(key, why);
        }
    }

    /// Ends a wait in its transport's way.
    pub(super) fn farewell(&mut self, key: u32, why: Farewell) {
        let held = &mut self.held[key as usize];
        let Some(outlet) = held.outlet.clone() else { return };
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

//! How a connection begins to wait, is kept alive, and is sent away.

use bytes::Bytes;

use super::{
    End, Holding, Outlet, Style,
    hall::{Hall, Sent},
    head::{self, Persistence},
    held::{Member, Phase, Place},
    phase::SEND_TIMEOUT,
};
use crate::{
    channel::{ChannelId, MessageId, Subscription, read},
    framing::{Farewell, LAST_CHUNK, http1::write_headers, long_poll::LongPoll},
};

impl Hall {
    /// Lets a connection wait: the head goes out, with whatever there is to read already.
    pub(super) fn hold(&mut self, key: u32, holding: Holding, persistence: Persistence) {
        let persistence = self.persistence(key, &holding.outlet, persistence);
        if let Some(entry) = &holding.entry {
            self.held[key as usize].rare().entry = Some(entry.clone());
        }
        let lead = self.head(key, &holding, persistence);
        let Holding { subscription, outlet, inbound, timeout, tab, guest, .. } = holding;
        let held = &mut self.held[key as usize];
        held.phase = Phase::Held;
        (held.close, held.raw) = (persistence.close, persistence.raw);
        held.outlet = Some(outlet.clone());
        held.cursor = subscription.cursor();
        self.tally.waits(outlet.transport);
        self.open_socket(key, inbound);
        let channels = subscription.channels().to_vec();
        self.join(key, subscription);
        self.set_deadline(key, timeout);
        if tab.is_some() {
            self.held[key as usize].rare().tab = tab;
        }
        if guest.is_some() {
            self.held[key as usize].rare().guest = guest;
            self.look_again(key);
        }
        let pending = self.pending(key, &outlet);
        for channel in &channels {
            channel.settle();
        }
        match pending.filter(|batch| self.may_have(key, batch)) {
            Some(batch) => self.transmit(key, &outlet, &lead, &batch),
            None => self.lead(key, &outlet, &lead),
        }
    }

    fn persistence(&self, key: u32, outlet: &Outlet, allowed: Persistence) -> Persistence {
        if outlet.socket.is_some() {
            return Persistence { close: false, raw: true };
        }
        let listener = usize::from(self.held[key as usize].client.listener);
        let last = self.listening[listener].keepalive_timeout.is_zero();
        Persistence { close: allowed.close || last, ..allowed }
    }

    /// What goes out at once; of a poll, which has nothing to say yet, the header lines are kept.
    fn head(&mut self, key: u32, holding: &Holding, persistence: Persistence) -> Bytes {
        let (headers, held) = (&holding.headers, &mut self.held[key as usize]);
        match &holding.outlet.style {
            Style::Poll(_) => {
                if !headers.is_empty() {
                    let mut lines = Vec::new();
                    write_headers(&mut lines, headers);
                    held.rare().headers = lines.into();
                }
                Bytes::new()
            }
            Style::Stream(_) => {
                let opening = &holding.outlet.opening;
                self.tally.answered(holding.status());
                held.count(opening.plain);
                let all = (holding.outlet.headers.lines(), headers);
                let mut lead = head::stream(holding.status(), all, persistence);
                if let Some(entry) = &holding.entry {
                    entry.status(holding.status());
                    entry.head(lead.len() as u64);
                }
                lead.extend_from_slice(&opening.on_wire(persistence.raw));
                lead.into()
            }
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
        let held = &mut self.held[key as usize];
        let Some(outlet) = held.outlet.clone() else { return };
        let frame = outlet.ping_frame();
        if !held.blocked && !frame.is_empty() {
            if held.pinged {
                // A whole interval without a sign of life.
                self.tally.ended(End::Silent);
                return self.close(key);
            }
            held.pinged = held.is_socket();
            held.count(frame.plain);
            let bytes = frame.on_wire(held.raw);
            self.interject(key, &bytes);
        }
        if self.held.get(key as usize).is_some() {
            self.sent_something(key, &outlet);
        }
    }

    /// Sends something between two messages; what the socket does not take now goes before the next.
    pub(super) fn interject(&mut self, key: u32, bytes: &Bytes) {
        let Sent::Bytes(sent) = self.send(key, bytes) else { return self.close(key) };
        if sent < bytes.len() {
            self.held[key as usize].rare().unsent = bytes.slice(sent..);
            self.set_blocked(key, true);
        }
    }

    /// Ends a wait behind what was published before: its publisher was told who would get it.
    pub(super) fn send_away(&mut self, key: u32, why: Farewell) {
        let held = &mut self.held[key as usize];
        if held.parting().is_some() {
            return;
        }
        held.close |= why == Farewell::Shutdown;
        held.paused = false;
        let Some(outlet) = held.outlet.clone() else { return };
        let last = self.last_waiting(key);
        self.held[key as usize].rare().parting = Some((why, last));
        self.set_deadline(key, Some(SEND_TIMEOUT));
        if !self.held[key as usize].blocked {
            self.catch_up(key, &outlet);
        }
    }

    /// The latest message that a subscriber could have by now.
    fn last_waiting(&mut self, key: u32) -> MessageId {
        let place = std::mem::take(&mut self.held[key as usize].place);
        let channels = self.channels(&place);
        let held = &mut self.held[key as usize];
        held.place = place;
        read(&channels, held.cursor).last().map_or(held.cursor, |message| message.id())
    }

    /// Ends a wait in its transport's way.
    pub(super) fn farewell(&mut self, key: u32, why: Farewell) {
        let gone = (why == Farewell::Deleted).then(|| self.deleted_channel(key)).flatten();
        let held = &mut self.held[key as usize];
        let Some(outlet) = held.outlet.clone() else { return };
        if let Some(rare) = &mut held.rare {
            rare.parting = None;
        }
        self.tally.ended(why);
        if outlet.ends() {
            self.tally.polls.add(1);
        }
        let bytes: Bytes = match &outlet.style {
            Style::Poll(framing) => self.last_answer(key, framing, why, gone.as_ref()),
            // There is no other way to say that the message does not come.
            Style::Stream(framing) if framing.single() => {
                held.close = true;
                Bytes::new()
            }
            Style::Stream(framing) => {
                let notice = gone.map(|channel| framing.deleted(&channel)).unwrap_or_default();
                let closing = framing.closing(why);
                held.count(notice.plain);
                held.count(closing.plain);
                let sent = held.rare.as_ref().map(|rare| rare.sent).unwrap_or_default();
                let last = if held.raw { &[][..] } else { LAST_CHUNK };
                let (raw, trailer) = (held.raw, framing.trailer(sent));
                let last_words = [notice, closing, trailer].map(|frame| frame.on_wire(raw));
                [&last_words.concat()[..], last].concat().into()
            }
        };
        let held = &mut self.held[key as usize];
        held.close |= held.raw;
        self.part_with(key, &bytes);
    }

    /// The whole answer of a poll that no message comes for.
    fn last_answer(
        &self,
        key: u32,
        framing: &LongPoll,
        why: Farewell,
        gone: Option<&ChannelId>,
    ) -> Bytes {
        let held = &self.held[key as usize];
        let (status, headers, body) = framing.farewell(why, held.cursor, gone);
        let more = held.rare.as_ref().map(|rare| rare.headers.clone()).unwrap_or_default();
        let whole = head::whole(status, &headers, &more, held.close, &body);
        self.tally.answered(status);
        if let Some(entry) = held.entry() {
            entry.status(status);
            entry.head(whole.len().saturating_sub(body.len()) as u64);
        }
        whole
    }

    /// The last bytes of a response.
    pub(super) fn part_with(&mut self, key: u32, bytes: &Bytes) {
        self.leave(key);
        let held = &mut self.held[key as usize];
        if held.blocked {
            // Behind the rest of the message that is on its way.
            let unsent = held.unsent();
            return self.end(key, [&unsent[..], &bytes[..]].concat().into());
        }
        let Sent::Bytes(sent) = self.send(key, bytes) else { return self.close(key) };
        self.end(key, bytes.slice(sent..));
    }
}

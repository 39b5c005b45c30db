//! From the ring to the sockets, in slices.
//!
//! A pass walks the subscribers of a channel; between its slices the worker serves everyone else.
//! A socket that takes no more leaves the pass: it goes on by itself, from its cursor, when it can
//! be written to.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::{
    Outlet, Style,
    batch::Batch,
    hall::{Hall, Sent},
    head,
    held::{Phase, Place},
    slice::Slice,
};
use crate::{
    channel::{Note, read},
    framing::Farewell,
};

/// Subscribers served before the worker looks at everything else: for less than a millisecond.
const SLICE: usize = 64;

impl Hall {
    /// Does what channels have asked for.
    pub(super) fn notice(&mut self, notes: &mut Vec<Note>) {
        self.mailbox.take(notes);
        for note in notes.drain(..) {
            match note {
                Note::Messages { local } => self.locals.queue(local),
                Note::Dismiss { local } => self.dismiss(local),
                Note::Survey { local, survey } => self.begin_count(local, survey),
                Note::Recall { local } => self.recall(local),
            }
        }
    }

    /// Serves some subscribers, of one channel or of several.
    pub(super) fn deliver(&mut self) {
        let (mut left, mut slice) = (SLICE, std::mem::take(&mut self.slice));
        while left > 0
            && let Some(local) = self.locals.next()
        {
            // A channel without subscribers costs something, too.
            left = left.saturating_sub(self.walk(local, left, &mut slice).max(1));
        }
        self.write_all(&mut slice);
        // First these, then what the rings keep: or that would have to go for memory they spend.
        slice.clear();
        for local in slice.walked.drain(..) {
            self.walked(local);
        }
        self.slice = slice;
    }

    /// Serves at most so many subscribers of one channel; returns how many.
    fn walk(&mut self, local: u32, most: usize, slice: &mut Slice) -> usize {
        let mailbox = self.mailbox.clone();
        let Some(entry) = self.locals.get(local) else { return 0 };
        let messages = slice.enter(local);
        entry.channel.collect(&mailbox, entry.served, messages);
        if entry.ahead == 0 {
            entry.ahead = entry.subscribers.len();
            entry.target = messages.last().map_or(entry.served, |message| message.id());
        }
        if messages.is_empty() {
            entry.ahead = 0;
        }
        let mut served = 0;
        while served < most
            && let Some(key) = self.locals.advance(local)
        {
            self.serve(key, slice);
            served += 1;
        }
        served
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

    /// Sends what a subscriber has not had, straight from the rings.
    pub(super) fn catch_up(&mut self, key: u32, outlet: &Arc<Outlet>) {
        match self.pending(key, outlet) {
            Some(batch) if !self.may_have(key, &batch) => self.set_blocked(key, false),
            Some(batch) => self.transmit(key, outlet, &Bytes::new(), &batch),
            None => self.caught_up(key),
        }
    }

    /// There is nothing more for a subscriber: it waits on, or goes if it was sent away.
    fn caught_up(&mut self, key: u32) {
        self.set_blocked(key, false);
        if let Some((why, _)) = self.held[key as usize].parting() {
            self.farewell(key, why);
        }
    }

    /// What a subscriber has not had.
    pub(super) fn pending(&mut self, key: u32, outlet: &Arc<Outlet>) -> Option<Batch> {
        let held = &mut self.held[key as usize];
        let (raw, cursor, parting) = (held.raw, held.cursor, held.parting());
        let place = std::mem::take(&mut held.place);
        let channels = self.channels(&place);
        self.held[key as usize].place = place;
        let mut messages = read(&channels, cursor);
        if let Some((_, last)) = parting {
            messages.retain(|message| message.id() <= last);
        }
        Batch::new(outlet, raw, cursor, &messages)
    }

    /// Writes `lead` and then a batch; what does not go out waits for the socket.
    pub(super) fn transmit(&mut self, key: u32, outlet: &Arc<Outlet>, lead: &Bytes, batch: &Batch) {
        let body = self.prepare(key, outlet, batch, None);
        let bytes = if lead.is_empty() { body } else { [lead, &body[..]].concat().into() };
        let sent = self.send(key, &bytes);
        self.transmitted(key, outlet, lead, batch, (&bytes, sent));
    }

    /// The bytes of a batch for a subscriber, which counts as having had it.
    ///
    /// `walking` is the channel whose pass is under way: seats there are given up at its end.
    pub(super) fn prepare(
        &mut self,
        key: u32,
        outlet: &Outlet,
        batch: &Batch,
        walking: Option<u32>,
    ) -> Bytes {
        self.tab_answered(key);
        let held = &mut self.held[key as usize];
        let bytes = match &outlet.style {
            Style::Poll(_) => {
                let whole = head::polled(held, batch);
                if let Some(entry) = held.entry() {
                    entry.status(StatusCode::OK);
                    entry.head(whole.len().saturating_sub(batch.body_length()) as u64);
                }
                whole
            }
            Style::Stream(_) => batch.bytes.clone(),
        };
        held.cursor = batch.last();
        if outlet.ends() {
            self.vacate(key, walking);
        }
        bytes
    }

    /// Goes on after `lead` and a batch have been written, or a part of them.
    pub(super) fn transmitted(
        &mut self,
        key: u32,
        outlet: &Arc<Outlet>,
        lead: &Bytes,
        batch: &Batch,
        (bytes, sent): (&Bytes, Sent),
    ) {
        if !outlet.ends() {
            // What was written says how far it has come.
            self.held[key as usize].cursor = batch.from;
        }
        let Sent::Bytes(sent) = sent else { return self.close(key) };
        if outlet.ends() {
            self.tally.answered_poll(outlet, batch);
            return self.end(key, bytes.slice(sent..));
        }
        self.note_sent(key, lead, batch, sent);
        self.sent_something(key, outlet);
        let more = sent < bytes.len() || batch.more;
        if more || self.held[key as usize].parting().is_none() {
            return self.set_blocked(key, more);
        }
        self.caught_up(key);
    }

    /// So many bytes of `lead` and a batch went out: moves the cursor, keeps the rest of what was begun.
    fn note_sent(&mut self, key: u32, lead: &Bytes, batch: &Batch, sent: usize) {
        let held = &mut self.held[key as usize];
        match sent.checked_sub(lead.len()) {
            None => held.rare().unsent = lead.slice(sent..),
            Some(sent) => {
                let progress = batch.progress(sent);
                held.cursor = progress.seen;
                held.count(progress.plain);
                self.tally.delivered(progress.messages, progress.body);
                self.tally.gaps.add(u64::from(batch.gap && progress.messages > 0));
                if !progress.unsent.is_empty() {
                    held.rare().unsent = progress.unsent;
                }
            }
        }
    }

    /// Gives up a subscriber's seats; in the channel that is being walked at the end of the slice,
    /// unless it is alone there: it may ask again at once, where only one has a place.
    fn vacate(&mut self, key: u32, walking: Option<u32>) {
        let mut shared = |local| self.locals.get(local).is_some_and(|l| l.subscribers.len() > 1);
        match (&self.held[key as usize].place, walking) {
            (&Place::One(local, at), Some(walked)) if local == walked && shared(local) => {
                self.unseat(key);
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

    /// Goes on with a slow reader; history may have left it behind.
    fn read_on(&mut self, key: u32, outlet: &Arc<Outlet>) {
        let behind = |batch: Batch| batch.gap;
        if outlet.closes_lagging && self.pending(key, outlet).is_some_and(behind) {
            self.set_blocked(key, false);
            return self.farewell(key, Farewell::Lagging);
        }
        self.catch_up(key, outlet);
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
        if sent < unsent.len() {
            if held.phase == Phase::Ending {
                self.end(key, unsent.slice(sent..));
            }
            return;
        }
        held.tidy();
        if self.pong_first(key) {
            return;
        }
        let held = &self.held[key as usize];
        match (held.phase, held.outlet.clone()) {
            (Phase::Held, Some(outlet)) if !held.polls() && !held.paused => {
                self.read_on(key, &outlet);
            }
            (Phase::Ending, _) => {
                self.set_blocked(key, false);
                self.ended(key);
            }
            _ => self.set_blocked(key, false),
        }
    }
}

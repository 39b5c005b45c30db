//! Response bodies among the subscribers of a hall.
//!
//! A body is a subscriber like a socket is, only that it is woken instead of written to. What a
//! pass brings is put into its inbox, because the rings need not keep it any longer; hyper takes it
//! from there. When the inbox is full, the body reads on from its cursor in the rings, as a blocked
//! socket does.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use slab::Slab;

use super::{
    Guest,
    hall::Hall,
    held::{Member, Place, earlier},
};
use crate::{
    channel::{Message, MessageId, Subscription, gap, read},
    config::Transport,
    framing::Farewell,
};

/// The bodies of a hall.
#[derive(Debug, Default)]
pub(super) struct Bodies(Slab<Waiter>);

/// Marks the key of a body among those of sockets.
const BODY: u32 = 1 << 31;
/// Messages that may lie in an inbox.
const INBOX: usize = 256;
/// The bytes that they may have, but for the last of them.
const INBOX_BYTES: usize = 64 << 10;

/// A body that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) transport: Transport,
    pub(super) place: Place,
    inbox: VecDeque<Letter>,
    /// Bytes in the inbox.
    bytes: usize,
    /// The latest message in the inbox, or read from it.
    seen: MessageId,
    /// There is more than the inbox took.
    overflow: bool,
    /// It is one of those who wait; not if it is a part of somebody who counts once.
    counts: bool,
    pub(super) dismissed: Option<Farewell>,
    pub(super) waker: Option<Waker>,
    /// Is dropped when it waits no longer.
    guest: Option<Box<dyn Guest>>,
}

/// A message for a body.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Arc<Message>,
    /// Others before it are gone.
    pub(super) gap: bool,
}

impl Waiter {
    /// The latest message that it has, or is about to have.
    pub(super) fn seen(&self) -> MessageId {
        self.seen
    }

    /// Whether it takes no more now.
    pub(super) fn is_full(&self) -> bool {
        self.overflow
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Puts messages into the inbox, as many as it takes.
    fn take(&mut self, messages: &[Arc<Message>]) {
        let start = messages.partition_point(|message| message.id() <= self.seen);
        let messages = &messages[start..];
        let mut gap = gap(messages, self.seen);
        for message in messages {
            if self.inbox.len() >= INBOX || self.bytes >= INBOX_BYTES {
                self.overflow = true;
                break;
            }
            self.seen = message.id();
            self.bytes += message.body().len();
            self.inbox.push_back(Letter { message: message.clone(), gap });
            gap = false;
        }
    }

    fn dismiss_guest(&mut self) {
        if let Some(mut guest) = self.guest.take() {
            guest.saw(self.seen);
        }
    }

    fn next(&mut self) -> Option<Letter> {
        let letter = self.inbox.pop_front();
        self.bytes -= letter.as_ref().map_or(0, |letter| letter.message.body().len());
        letter
    }
}

impl Bodies {
    pub(super) fn get(&mut self, key: u32) -> Option<&mut Waiter> {
        if key & BODY == 0 { None } else { self.0.get_mut((key & !BODY) as usize) }
    }
}

impl Hall {
    pub(super) fn join_body(
        &mut self,
        subscription: Subscription,
        transport: Transport,
        guest: Option<Box<dyn Guest>>,
        counts: bool,
    ) -> u32 {
        let seen = subscription.cursor();
        if counts {
            self.tally.waits(transport);
        }
        let waiter = Waiter {
            transport,
            place: Place::Nowhere,
            inbox: VecDeque::new(),
            bytes: 0,
            seen,
            overflow: false,
            counts,
            dismissed: None,
            waker: None,
            guest,
        };
        let number = self.bodies.0.insert(waiter);
        let key = BODY | u32::try_from(number).unwrap_or(0);
        let channels = subscription.channels().to_vec();
        let mut members = Vec::new();
        for (channel, ticket) in subscription.into_seats() {
            let (local, at) = self.locals.join(&channel, &self.mailbox, key);
            members.push(Member { local, at, ticket });
        }
        self.bodies.0[number].place = Place::Many(members.into());
        self.fill_inbox(key, &[]);
        for channel in channels {
            channel.settle();
        }
        // It may have been revoked before the channels knew that it is here.
        self.recall_body(key);
        key
    }

    /// Gives the messages of a pass to a body. Returns whether the key is one's.
    pub(super) fn serve_body(&mut self, key: u32, messages: &[Arc<Message>]) -> bool {
        let Some(waiter) = self.bodies.get(key) else { return false };
        if !waiter.overflow {
            self.fill_inbox(key, messages);
        }
        true
    }

    /// Fills an inbox: from the messages of a pass, if it waits in that channel alone.
    fn fill_inbox(&mut self, key: u32, messages: &[Arc<Message>]) {
        let Some(waiter) = self.bodies.get(key) else { return };
        waiter.overflow = false;
        let (seen, place) = (waiter.seen, std::mem::take(&mut waiter.place));
        let alone = matches!(&place, Place::Many(members) if members.len() == 1);
        let merged = (!alone || messages.is_empty()).then(|| read(&self.channels(&place), seen));
        let Some(waiter) = self.bodies.get(key) else { return };
        waiter.place = place;
        waiter.take(merged.as_deref().unwrap_or(messages));
        waiter.wake();
    }

    pub(super) fn leave_body(&mut self, key: u32) {
        let Some(waiter) = self.bodies.get(key) else { return };
        let place = std::mem::take(&mut waiter.place);
        if waiter.counts {
            self.tally.parted(waiter.transport);
        }
        waiter.dismiss_guest();
        self.bodies.0.remove((key & !BODY) as usize);
        self.give_up(&place);
    }

    /// Ends the wait of a body that took its seat before a ticket. Returns whether the key is one's.
    pub(super) fn dismiss_body(
        &mut self,
        key: u32,
        local: u32,
        before: u32,
        why: Farewell,
    ) -> bool {
        let Some(waiter) = self.bodies.get(key) else { return false };
        let Place::Many(members) = &waiter.place else { return true };
        if members.iter().any(|member| member.local == local && earlier(member.ticket, before)) {
            self.end_body(key, why);
        }
        true
    }

    /// Ends the wait of a body that has to go for a reason of its own. Returns whether the key is one's.
    pub(super) fn recall_body(&mut self, key: u32) -> bool {
        let Some(waiter) = self.bodies.get(key) else { return false };
        if waiter.guest.as_ref().is_some_and(|guest| guest.is_revoked()) {
            self.end_body(key, Farewell::Deleted);
        }
        true
    }

    /// Whoever is still there has left, as far as others are told.
    pub(super) fn dismiss_guests(&mut self) {
        for (_, waiter) in &mut self.bodies.0 {
            waiter.dismiss_guest();
        }
        for key in self.held.keys() {
            self.held[key].dismiss_guest();
        }
    }

    /// Ends the waits of all bodies.
    pub(super) fn dismiss_bodies(&mut self, why: Farewell) {
        let numbers: Vec<usize> = self.bodies.0.iter().map(|(number, _)| number).collect();
        for number in numbers {
            self.end_body(BODY | u32::try_from(number).unwrap_or(0), why);
        }
    }

    /// Ends a wait behind what was published before.
    pub(super) fn end_body(&mut self, key: u32, why: Farewell) {
        self.fill_inbox(key, &[]);
        if let Some(waiter) = self.bodies.get(key) {
            waiter.dismissed.get_or_insert(why);
            waiter.wake();
        }
    }

    /// The next message for a body; reads the rings when the inbox is empty.
    pub(super) fn next_for_body(&mut self, key: u32) -> Option<Letter> {
        let waiter = self.bodies.get(key)?;
        if waiter.inbox.is_empty() && waiter.overflow {
            self.fill_inbox(key, &[]);
        }
        self.bodies.get(key)?.next()
    }
}

//! Response bodies among the subscribers of a hall.
//!
//! A body is a subscriber like a socket is, only that it is woken instead of written to. Messages
//! lie in its inbox until hyper takes them; when that is full, it reads on from its cursor in the
//! rings, as a blocked socket does.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use slab::Slab;

use super::{
    hall::Hall,
    held::{Member, Place},
    wait::earlier,
};
use crate::{
    channel::{Message, MessageId, Subscription, read},
    framing::Farewell,
};

/// The bodies of a hall.
#[derive(Debug, Default)]
pub(super) struct Bodies(Slab<Waiter>);

/// Marks the key of a body among those of sockets.
const BODY: u32 = 1 << 31;
/// Messages that may lie in an inbox.
const INBOX: usize = 256;

/// A body that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) place: Place,
    inbox: VecDeque<Arc<Message>>,
    /// The latest message in the inbox, or read from it.
    seen: MessageId,
    /// There is more than the inbox took.
    overflow: bool,
    pub(super) dismissed: Option<Farewell>,
    pub(super) waker: Option<Waker>,
}

impl Waiter {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn take(&mut self, messages: &[Arc<Message>]) {
        for message in messages {
            if message.id() <= self.seen {
                continue;
            }
            if self.inbox.len() >= INBOX {
                self.overflow = true;
                break;
            }
            self.seen = message.id();
            self.inbox.push_back(message.clone());
        }
    }
}

impl Bodies {
    pub(super) fn get(&mut self, key: u32) -> Option<&mut Waiter> {
        if key & BODY == 0 { None } else { self.0.get_mut((key & !BODY) as usize) }
    }

    /// Ends the wait of a body that took its seat before a ticket. Returns whether the key is one's.
    pub(super) fn dismiss(&mut self, key: u32, local: u32, before: u32, why: Farewell) -> bool {
        let Some(waiter) = self.get(key) else { return false };
        let Place::Many(members) = &waiter.place else { return true };
        if members.iter().any(|member| member.local == local && earlier(member.ticket, before)) {
            waiter.dismissed = Some(why);
            waiter.wake();
        }
        true
    }

    /// Ends all waits.
    pub(super) fn dismiss_all(&mut self, why: Farewell) {
        for (_, waiter) in &mut self.0 {
            waiter.dismissed.get_or_insert(why);
            waiter.wake();
        }
    }
}

impl Hall {
    pub(super) fn join_body(&mut self, subscription: Subscription) -> u32 {
        let seen = subscription.cursor();
        let waiter = Waiter {
            place: Place::Nowhere,
            inbox: VecDeque::new(),
            seen,
            overflow: true,
            dismissed: None,
            waker: None,
        };
        let number = self.bodies.0.insert(waiter);
        let key = BODY | u32::try_from(number).unwrap_or(0);
        let mut members = Vec::new();
        for (channel, ticket) in subscription.into_seats() {
            let (local, at) = self.locals.join(&channel, &self.mailbox, key);
            members.push(Member { local, at, ticket });
        }
        self.bodies.0[number].place = Place::Many(members.into());
        key
    }

    pub(super) fn leave_body(&mut self, key: u32) {
        let Some(waiter) = self.bodies.get(key) else { return };
        let place = std::mem::take(&mut waiter.place);
        self.bodies.0.remove((key & !BODY) as usize);
        self.give_up(&place);
    }

    /// Gives messages of one channel to a body, before their channel may forget them. Returns
    /// whether the key is one's.
    pub(super) fn serve_body(&mut self, key: u32, messages: &[Arc<Message>]) -> bool {
        let Some(waiter) = self.bodies.get(key) else { return false };
        match &waiter.place {
            // It goes on by itself when the inbox is empty.
            _ if waiter.overflow => {}
            // It has to merge.
            Place::Many(members) if members.len() > 1 => self.refill(key),
            _ => waiter.take(messages),
        }
        if let Some(waiter) = self.bodies.get(key) {
            waiter.wake();
        }
        true
    }

    /// The next message for a body; reads the rings when the inbox is empty.
    pub(super) fn next_for_body(&mut self, key: u32) -> Option<Arc<Message>> {
        let waiter = self.bodies.get(key)?;
        if waiter.inbox.is_empty() && waiter.overflow {
            self.refill(key);
        }
        self.bodies.get(key)?.inbox.pop_front()
    }

    /// Puts what the rings have into the inbox of a body.
    fn refill(&mut self, key: u32) {
        let Some(waiter) = self.bodies.get(key) else { return };
        let (seen, place) = (waiter.seen, std::mem::take(&mut waiter.place));
        let channels = self.channels(&place);
        let messages = read(&channels, seen);
        let Some(waiter) = self.bodies.get(key) else { return };
        waiter.place = place;
        waiter.overflow = false;
        waiter.take(&messages);
    }
}

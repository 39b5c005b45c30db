//! The channels that a worker has subscribers of.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::shelf::Shelf;
use crate::channel::{Channel, Mailbox, MessageId, Note};

/// A channel, as one worker sees it.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) channel: Arc<Channel>,
    /// Keys of the subscribers. A pass walks them from the end to the front: whoever joins is put
    /// behind what is still to come, and whoever leaves is replaced by the last, who has either
    /// been visited or is only visited twice.
    pub(super) subscribers: Vec<u32>,
    /// So many at the front have not been visited in the pass under way.
    pub(super) ahead: usize,
    /// Every subscriber that can take messages has seen this one.
    pub(super) served: MessageId,
    /// What all will have seen at the end of the pass under way.
    pub(super) target: MessageId,
    /// Seats given up during the pass.
    pub(super) left: u32,
    /// It is in the queue of work.
    queued: bool,
    /// New messages came while it was being walked.
    dirty: bool,
}

/// Entries that there is always room for.
const ROOM: usize = 1024;

/// All channels of a worker, and those with something to deliver.
#[derive(Debug, Default)]
pub(super) struct Locals {
    shelf: Shelf<Local>,
    numbers: HashMap<usize, u32>,
    work: VecDeque<u32>,
}

impl Locals {
    pub(super) fn get(&mut self, local: u32) -> Option<&mut Local> {
        self.shelf.get_mut(local as usize)
    }

    /// Adds a subscriber; returns the channel's number and the subscriber's index.
    ///
    /// It may have been dismissed between its seat and now, when the channel did not know yet that
    /// it is here: then the worker is to look.
    pub(super) fn join(
        &mut self,
        channel: &Arc<Channel>,
        mailbox: &Arc<Mailbox>,
        key: u32,
    ) -> (u32, u32) {
        let address = Arc::as_ptr(channel) as usize;
        let local = *self.numbers.entry(address).or_insert_with(|| {
            let served = MessageId::ZERO;
            let number = self.shelf.insert(Local {
                channel: channel.clone(),
                subscribers: Vec::with_capacity(1),
                ahead: 0,
                served,
                target: served,
                left: 0,
                queued: false,
                dirty: false,
            });
            let local = u32::try_from(number).unwrap_or(u32::MAX);
            self.shelf[number].served = channel.attach(mailbox, local);
            local
        });
        if channel.dismissed().is_some() {
            mailbox.put(Note::Dismiss { local });
        }
        let subscribers = &mut self.shelf[local as usize].subscribers;
        subscribers.push(key);
        (local, u32::try_from(subscribers.len() - 1).unwrap_or(u32::MAX))
    }

    /// Takes a subscriber out; returns who has its index now.
    pub(super) fn remove(&mut self, local: u32, at: u32) -> Option<u32> {
        let subscribers = &mut self.get(local)?.subscribers;
        subscribers.swap_remove(at as usize);
        subscribers.get(at as usize).copied()
    }

    /// Forgets a channel without subscribers, unless it is being walked.
    pub(super) fn release(&mut self, local: u32, mailbox: &Arc<Mailbox>) {
        let idle = |entry: &mut Local| entry.subscribers.is_empty() && !entry.queued;
        if self.get(local).is_some_and(idle) {
            let Some(entry) = self.shelf.remove(local as usize) else { return };
            self.numbers.remove(&(Arc::as_ptr(&entry.channel) as usize));
            if self.numbers.capacity() > 4 * self.numbers.len() + ROOM {
                self.numbers.shrink_to(2 * self.numbers.len());
            }
            entry.channel.detach(mailbox);
        }
    }

    /// There is something to read in a channel.
    pub(super) fn queue(&mut self, local: u32) {
        let Some(entry) = self.shelf.get_mut(local as usize) else { return };
        if entry.queued {
            entry.dirty = true;
        } else {
            entry.queued = true;
            entry.ahead = 0;
            self.work.push_back(local);
        }
    }

    /// The next channel to walk a part of.
    pub(super) fn next(&mut self) -> Option<u32> {
        if self.work.is_empty() {
            self.work.shrink_to(ROOM);
        }
        self.work.pop_front()
    }

    /// The next subscriber of the pass under way.
    pub(super) fn advance(&mut self, local: u32) -> Option<u32> {
        let entry = self.get(local)?;
        // Whoever was ahead may have left since: then the pass is at its end.
        entry.ahead = entry.ahead.min(entry.subscribers.len());
        entry.ahead = entry.ahead.checked_sub(1)?;
        Some(entry.subscribers[entry.ahead])
    }

    /// A part has been walked. Returns whether it was the last of the pass.
    pub(super) fn walked(&mut self, local: u32) -> bool {
        let Some(entry) = self.shelf.get_mut(local as usize) else { return false };
        let done = entry.ahead == 0;
        entry.queued = !done || entry.dirty;
        if done {
            entry.dirty = false;
        }
        if entry.queued {
            self.work.push_back(local);
        }
        done
    }

    pub(super) fn idle(&self) -> bool {
        self.work.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{
        ChannelId, Concurrency, Creation, First, Hub, Request, Settings, Start, Subscription,
    };

    fn request() -> Request {
        let creation = Creation { timeout: std::time::Duration::ZERO, group_max_channels: 0 };
        Request {
            start: Start::First(First::Newest),
            concurrency: Concurrency::Broadcast,
            creation: Some(creation),
        }
    }

    async fn subscription() -> Subscription {
        let hub = Hub::new(Settings::default());
        hub.subscribe(&[ChannelId::new(b"a")], request()).await.unwrap()
    }

    #[tokio::test]
    async fn room_for_many_channels_is_given_back_when_they_are_gone() {
        let (mailbox, mut locals) = (Arc::default(), Locals::default());
        let names: Vec<String> = (0..10 * ROOM).map(|number| number.to_string()).collect();
        let ids: Vec<_> = names.iter().map(|name| ChannelId::new(name.as_bytes())).collect();
        let subscriptions = Hub::new(Settings::default()).subscribe(&ids, request()).await.unwrap();
        let channels = (0..).zip(subscriptions.channels());
        let joined: Vec<u32> =
            channels.map(|(key, channel)| locals.join(channel, &mailbox, key).0).collect();
        for local in &joined {
            locals.queue(*local);
        }
        assert!(locals.numbers.capacity() >= 10 * ROOM && locals.work.capacity() >= 10 * ROOM);
        while let Some(local) = locals.next() {
            locals.remove(local, 0);
            locals.walked(local);
            locals.release(local, &mailbox);
        }
        assert!(locals.numbers.capacity() <= 2 * ROOM, "{}", locals.numbers.capacity());
        assert!(locals.work.capacity() <= 2 * ROOM, "{}", locals.work.capacity());
    }

    #[tokio::test]
    async fn a_pass_ends_when_those_who_were_ahead_have_left() {
        let (mailbox, mut locals) = (Arc::default(), Locals::default());
        let subscription = subscription().await;
        let channel = &subscription.channels()[0];
        let (local, _) = locals.join(channel, &mailbox, 7);
        locals.join(channel, &mailbox, 8);
        locals.queue(local);
        assert_eq!(locals.next(), Some(local));
        locals.get(local).unwrap().ahead = 2;
        assert_eq!(locals.advance(local), Some(8));
        assert!(!locals.walked(local));
        for at in [1, 0] {
            locals.remove(local, at);
        }
        assert_eq!(locals.next(), Some(local));
        assert_eq!(locals.advance(local), None);
        assert!(locals.walked(local));
        assert!(locals.idle());
        locals.release(local, &mailbox);
        assert!(locals.get(local).is_none());
    }
}

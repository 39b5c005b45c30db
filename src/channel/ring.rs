//! The recent messages of a channel: the only queue there is.
//!
//! Three kinds of messages are in it: *stored* ones, which a newcomer may ask for, at most
//! `max_messages` of them; *passing* ones, published with storing off, which only readers with an
//! id get, for a grace; and whatever lies above `served`, because some worker has not yet handed
//! it to its waiting subscribers. Ids rise from front to back.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{First, Gone, Message, MessageId, asked::Asked};

/// Places that a ring gets one by one.
const FEW: usize = 4;

/// What a publisher location lets a channel keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// `push_max_message_buffer_length`: messages a newcomer may still get; 0 with storing off.
    pub max_messages: usize,
    /// `push_min_message_buffer_length`: what `push_delete_oldest_received_message` leaves.
    pub min_messages: usize,
    /// `push_message_timeout`: how long; `None` is for ever.
    pub timeout: Option<Duration>,
    /// `push_delete_oldest_received_message`: the oldest goes once somebody received it.
    pub delete_oldest_received: bool,
    /// `push_channel_timeout`: how long an empty channel lingers.
    pub channel_timeout: Duration,
    /// `push_grace`: how long a message that is not stored can still be asked for by id.
    pub grace: Duration,
}

#[derive(Debug)]
struct Slot {
    message: Arc<Message>,
    until: Option<Instant>,
    stored: bool,
}

impl Slot {
    fn expired(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The recent messages of a channel.
#[derive(Debug, Default)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    stored: usize,
    max_messages: usize,
    /// How many messages reception leaves, if it deletes at all.
    delete_received_above: Option<usize>,
    last: MessageId,
    pushed: u64,
    /// Bytes of all bodies.
    bytes: usize,
    /// No message expires before.
    earliest: Option<Instant>,
    /// What follows the positions that are asked for stays.
    asked: Asked,
}

impl Ring {
    /// The id of the latest message ever, kept or not.
    pub(super) fn last(&self) -> MessageId {
        self.last
    }

    /// How many messages there ever were, kept or not.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Bytes of the bodies of all messages kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The id of the oldest message kept.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        self.slots.front().map(|slot| slot.message.id())
    }

    /// Messages that a newcomer may ask for.
    pub(super) fn stored(&self) -> usize {
        self.stored.min(self.max_messages)
    }

    pub(super) fn push(&mut self, message: Arc<Message>, keep: &Retention, now: Instant) {
        let stored = keep.max_messages > 0;
        let until = if stored { keep.timeout } else { Some(keep.grace) };
        if stored {
            self.max_messages = keep.max_messages;
            self.delete_received_above = keep.delete_oldest_received.then_some(keep.min_messages);
        }
        self.last = message.id();
        self.pushed += 1;
        self.bytes += message.body().len();
        self.stored += usize::from(stored);
        let until = until.and_then(|after| now.checked_add(after));
        self.earliest = [self.earliest, until].into_iter().flatten().min();
        if self.slots.len() < FEW {
            // Many channels never have more.
            self.slots.reserve_exact(1);
        }
        self.slots.push_back(Slot { message, until, stored });
    }

    /// Somebody without a cursor asks for what follows a position, and may be away for so long.
    pub(super) fn asked_after(&mut self, position: MessageId, now: Instant, grace: Duration) {
        self.asked.note(position, now, grace);
    }

    /// Drops what is neither stored, nor in its grace, nor asked for, nor above `served`.
    pub(super) fn trim(&mut self, served: MessageId, now: Instant) {
        let had = served.min(self.asked.floor(now));
        self.trim_had(had, now);
    }

    /// As [`Ring::trim`], of messages up to `had`: nobody has yet to get or to ask for them.
    fn trim_had(&mut self, had: MessageId, now: Instant) {
        while let Some(front) = self.slots.front() {
            let surplus = front.stored && self.stored > self.max_messages;
            // The message itself comes last: an old one is far away in memory.
            if !(surplus || front.expired(now)) || front.message.id() > had {
                break;
            }
            self.evict(if surplus { Gone::Displaced } else { Gone::Expired });
        }
    }

    /// Drops what has expired behind messages that have not, too.
    pub(super) fn sweep(&mut self, served: MessageId, now: Instant) {
        let had = served.min(self.asked.floor(now));
        self.trim_had(had, now);
        let expired = self.earliest.is_some_and(|earliest| earliest <= now);
        if expired && self.oldest().is_some_and(|oldest| oldest <= had) {
            let bytes = &mut self.bytes;
            self.slots.retain(|slot| {
                let kept = slot.message.id() > had || !slot.expired(now);
                if !kept {
                    *bytes -= slot.message.body().len();
                    slot.message.gone(Gone::Expired);
                }
                kept
            });
            self.stored = self.slots.iter().filter(|slot| slot.stored).count();
            self.earliest = self.slots.iter().filter_map(|slot| slot.until).min();
        }
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
    }

    /// Drops the oldest message, whatever it is.
    pub(super) fn evict(&mut self, why: Gone) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.message.body().len();
            slot.message.gone(why);
            self.stored -= usize::from(slot.stored);
        }
    }

    /// `push_delete_oldest_received_message`: a message was received by somebody.
    pub(super) fn received(&mut self, id: MessageId, served: MessageId) {
        let deletes = self.delete_received_above.is_some_and(|least| self.stored > least);
        if deletes && id <= served && self.oldest() == Some(id) {
            self.evict(Gone::Received);
        }
    }

    /// As [`Ring::received`], for all messages in `(after, last]`.
    pub(super) fn received_between(
        &mut self,
        after: MessageId,
        last: MessageId,
        served: MessageId,
    ) {
        while self.delete_received_above.is_some() {
            let Some(oldest) = self.oldest().filter(|id| *id > after && *id <= last) else {
                return;
            };
            self.received(oldest, served);
            if self.oldest() == Some(oldest) {
                return;
            }
        }
    }

    /// All messages after a cursor, oldest first.
    pub(super) fn after(&self, cursor: MessageId) -> impl Iterator<Item = &Arc<Message>> {
        let start = self.slots.partition_point(|slot| slot.message.id() <= cursor);
        self.slots.range(start..).map(|slot| &slot.message)
    }

    /// The cursor of a subscriber that brings none, if it is to get any stored message. The ring
    /// has been swept.
    pub(super) fn begin(&self, first: First) -> Option<MessageId> {
        let stored = self.stored();
        let wanted = match first {
            First::Oldest => stored,
            First::Newest => 0,
            First::Last(number) => number.min(stored),
        };
        let mut newest_first = self.slots.iter().rev().filter(|slot| slot.stored);
        let slot = newest_first.nth(wanted.checked_sub(1)?)?;
        Some(slot.message.id().predecessor())
    }
}

impl Drop for Ring {
    /// A channel that goes by itself has no messages left.
    fn drop(&mut self) {
        while self.oldest().is_some() {
            self.evict(Gone::Deleted);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::{Budget, ChannelId, Draft};

    const ALL: MessageId = MessageId::LAST;
    const GRACE: Duration = Duration::from_secs(10);

    fn keep(max_messages: usize) -> Retention {
        Retention {
            max_messages,
            min_messages: 1,
            timeout: None,
            delete_oldest_received: false,
            channel_timeout: Duration::ZERO,
            grace: GRACE,
        }
    }

    fn id(number: u64) -> MessageId {
        MessageId::from_bits(number)
    }

    fn message(number: u64, previous: MessageId) -> Arc<Message> {
        let budget = Arc::new(Budget::new(0));
        let channel = ChannelId::new(b"c");
        Arc::new(Message::new(channel, id(number), previous, Draft::default(), budget))
    }

    fn publish(ring: &mut Ring, number: u64, keep: &Retention, now: Instant) {
        let previous = ring.last();
        ring.push(message(number, previous), keep, now);
    }

    fn ids(ring: &Ring, cursor: MessageId) -> Vec<u64> {
        ring.after(cursor).map(|message| message.id().to_bits()).collect()
    }

    #[test]
    fn the_oldest_goes_when_the_buffer_is_full() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        for number in 1..=4 {
            publish(&mut ring, number, &keep(2), now);
            ring.trim(ALL, now);
        }
        assert_eq!(ids(&ring, MessageId::ZERO), [3, 4]);
        assert_eq!(ring.begin(First::Oldest), Some(id(2)));
        assert_eq!(ring.begin(First::Last(1)), Some(id(3)));
        assert_eq!(ring.begin(First::Last(9)), Some(id(2)));
        assert_eq!(ring.begin(First::Newest), None);
    }

    #[test]
    fn what_a_worker_has_not_served_stays() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        for number in 1..=4 {
            publish(&mut ring, number, &keep(1), now);
            ring.trim(id(2), now);
        }
        assert_eq!(ids(&ring, MessageId::ZERO), [3, 4]);
        assert_eq!((ring.stored(), ring.begin(First::Oldest)), (1, Some(id(3))));
        ring.trim(ALL, now);
        assert_eq!(ids(&ring, MessageId::ZERO), [4]);
    }

    #[test]
    fn what_a_reader_without_a_cursor_asks_for_stays_until_it_has_caught_up() {
        for stored in [0, 10] {
            let (mut ring, start) = (Ring::default(), Instant::now());
            let at = |millis| start + Duration::from_millis(millis);
            ring.asked_after(MessageId::ZERO, start, GRACE);
            let (mut published, mut seen) = (0, 0);
            for millis in 0..60_000 {
                if millis % 2 == 0 && published < 1000 {
                    published += 1;
                    publish(&mut ring, published, &keep(stored), at(millis));
                    ring.sweep(ALL, at(millis));
                }
                if millis % 25 == 24 && seen < published {
                    ring.sweep(ALL, at(millis));
                    ring.asked_after(id(seen), at(millis), GRACE);
                    assert_eq!(ids(&ring, id(seen)).first(), Some(&(seen + 1)), "{millis}");
                    seen += 1;
                }
            }
            assert_eq!(seen, 1000);
            ring.sweep(ALL, at(90_000));
            assert_eq!(ids(&ring, MessageId::ZERO).len(), stored);
        }
    }

    #[test]
    fn with_storing_off_a_newcomer_gets_nothing_and_a_reader_with_an_id_has_a_grace() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        publish(&mut ring, 1, &keep(0), now);
        publish(&mut ring, 2, &keep(0), now);
        ring.sweep(ALL, now);
        assert_eq!((ring.stored(), ring.begin(First::Oldest)), (0, None));
        assert_eq!(ids(&ring, id(1)), [2]);
        ring.sweep(ALL, now + Duration::from_secs(10));
        assert_eq!((ring.oldest(), ring.last()), (None, id(2)));
    }

    #[test]
    fn what_somebody_without_a_cursor_still_asks_for_outlasts_its_grace_and_the_buffer() {
        for max_messages in [0, 1] {
            let (mut ring, start) = (Ring::default(), Instant::now());
            let at = |seconds| start + Duration::from_secs(seconds);
            ring.asked_after(id(0), start, GRACE);
            ring.sweep(ALL, at(1));
            for number in 1..=4 {
                publish(&mut ring, number, &keep(max_messages), start);
                ring.trim(ALL, start);
            }
            ring.asked_after(id(1), at(6), GRACE);
            ring.sweep(ALL, at(15));
            ring.asked_after(id(2), at(16), GRACE);
            ring.sweep(ALL, at(25));
            assert_eq!(ids(&ring, id(2)), [3, 4], "{max_messages}");
            ring.sweep(ALL, at(60));
            let kept: &[u64] = if max_messages == 0 { &[] } else { &[4] };
            assert_eq!(ids(&ring, MessageId::ZERO), kept);
        }
    }

    #[test]
    fn a_message_expires_behind_one_that_lives_longer() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        publish(&mut ring, 1, &keep(9), now);
        publish(&mut ring, 2, &Retention { timeout: Some(Duration::from_secs(1)), ..keep(9) }, now);
        ring.sweep(ALL, now + Duration::from_secs(1));
        assert_eq!((ids(&ring, MessageId::ZERO), ring.stored()), (vec![1], 1));
    }

    #[test]
    fn the_oldest_received_message_goes_down_to_the_minimum() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        let keep = Retention { delete_oldest_received: true, min_messages: 2, ..keep(9) };
        for number in 1..=3 {
            publish(&mut ring, number, &keep, now);
        }
        ring.received(id(2), ALL);
        assert_eq!(ids(&ring, MessageId::ZERO), [1, 2, 3]);
        ring.received(id(1), ALL);
        ring.received(id(2), ALL);
        assert_eq!(ids(&ring, MessageId::ZERO), [2, 3]);
    }

    proptest! {
        #[test]
        fn a_ring_keeps_the_last_messages_in_order(
            steps in prop::collection::vec((0_usize..4, 0_u64..9), 1..60),
        ) {
            let (mut ring, now) = (Ring::default(), Instant::now());
            let (mut last, mut served) = (0_u64, 0);
            for (max, behind) in steps {
                last += 1;
                publish(&mut ring, last, &keep(max), now);
                served = last.saturating_sub(behind).max(served);
                ring.trim(id(served), now);
                let kept = ids(&ring, MessageId::ZERO);
                prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!((served + 1..=last).all(|number| kept.contains(&number)));
                let begin = ring.begin(First::Oldest).unwrap_or(ring.last());
                prop_assert!(ids(&ring, begin).len() >= ring.stored());
            }
        }
    }
}

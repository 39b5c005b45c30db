//! Which channel holds the oldest message: what goes first when the memory budget is spent.
//!
//! The heap has at most one entry a channel, with an id that its oldest message had once. Ids only
//! rise, so an entry that is out of date is too early, never too late: it is corrected when it is
//! met.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::{Arc, Mutex, Weak},
};

use super::{Budget, Channel, Gone, MessageId, locked};

#[derive(Debug, Default)]
pub(super) struct Oldest(Mutex<BinaryHeap<Reverse<Entry>>>);

#[derive(Debug)]
struct Entry {
    id: MessageId,
    channel: Weak<Channel>,
}

impl Oldest {
    pub(super) fn push(&self, id: MessageId, channel: &Arc<Channel>) {
        locked(&self.0).push(Reverse(Entry { id, channel: Arc::downgrade(channel) }));
    }

    /// Drops messages, the oldest first, until the budget holds or only such are left that waiting
    /// subscribers have yet to get.
    pub(super) fn evict(&self, budget: &Budget) {
        let mut unserved = Vec::new();
        while budget.used() > budget.limit() {
            let Some(Reverse(entry)) = locked(&self.0).pop() else { break };
            let Some(channel) = entry.channel.upgrade() else { continue };
            let mut state = channel.state();
            let current = state.ring.oldest() == Some(entry.id);
            if current && entry.id > state.served() {
                unserved.push(Reverse(entry));
                continue;
            }
            if current {
                state.ring.evict(Gone::Evicted);
            }
            match state.ring.oldest() {
                Some(id) => self.push(id, &channel),
                None => state.in_heap = false,
            }
        }
        locked(&self.0).extend(unserved);
    }

    /// Drops the entries of channels that are gone.
    pub(super) fn sweep(&self) {
        let mut heap = locked(&self.0);
        heap.retain(|Reverse(entry)| entry.channel.strong_count() > 0);
        if heap.capacity() > 4 * heap.len() + 64 {
            heap.shrink_to_fit();
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Entry {}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

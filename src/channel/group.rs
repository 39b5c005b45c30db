//! Channels that share one order of ids, and limits.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::{MessageId, SeatError, locked};

/// The sequencer of a channel group.
///
/// Invariant: whoever gives out an id holds the sequencer until the message is in its ring. So
/// everything up to the watermark, the latest id given out, is in the rings.
#[derive(Debug)]
pub struct Group {
    pub(super) sequencer: Mutex<MessageId>,
    /// Serialises publishers while a store assigns the ids.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) channels: AtomicUsize,
    subscribers: AtomicUsize,
    totals: Arc<Totals>,
}

/// What all groups have together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) channels: AtomicUsize,
    subscribers: AtomicUsize,
    /// `push_max_subscribers`: 0 is any number.
    max_subscribers: usize,
}

impl Totals {
    pub(super) fn new(max_subscribers: usize) -> Self {
        Self { max_subscribers, ..Self::default() }
    }
}

impl Group {
    /// A group whose ids all come after `floor`.
    pub(super) fn new(floor: MessageId, totals: Arc<Totals>) -> Self {
        Self {
            sequencer: Mutex::new(floor),
            turn: tokio::sync::Mutex::default(),
            channels: AtomicUsize::new(0),
            subscribers: AtomicUsize::new(0),
            totals,
        }
    }

    /// Everything up to this id is in the rings; waits for a publish that is under way.
    pub fn watermark(&self) -> MessageId {
        *locked(&self.sequencer)
    }

    /// Makes room for one more channel, if `most` in the group and `most_in_all` allow it.
    pub(super) fn add_channel(&self, most: usize, most_in_all: usize) -> bool {
        let added = add(&self.channels, most);
        if added && !add(&self.totals.channels, most_in_all) {
            self.channels.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        added
    }

    pub(super) fn remove_channel(&self) {
        self.channels.fetch_sub(1, Ordering::Relaxed);
        self.totals.channels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes room for one more subscriber; `most` is the group's limit.
    pub(super) fn sit(&self, most: usize) -> Result<(), SeatError> {
        if !add(&self.subscribers, most) {
            return Err(SeatError::GroupFull);
        }
        if !add(&self.totals.subscribers, self.totals.max_subscribers) {
            self.subscribers.fetch_sub(1, Ordering::Relaxed);
            return Err(SeatError::Full);
        }
        Ok(())
    }

    pub(super) fn leave(&self, seats: u32) {
        self.subscribers.fetch_sub(seats as usize, Ordering::Relaxed);
        self.totals.subscribers.fetch_sub(seats as usize, Ordering::Relaxed);
    }
}

/// Adds one, unless there are `most` already; 0 is any number.
fn add(counter: &AtomicUsize, most: usize) -> bool {
    let fits = counter.fetch_add(1, Ordering::Relaxed) < most || most == 0;
    if !fits {
        counter.fetch_sub(1, Ordering::Relaxed);
    }
    fits
}

//! What a worker counts.
//!
//! Only the thread of the worker writes, so that counting is an addition and neither a lock nor an
//! atomic operation on memory that others write to; whoever asks reads all workers' and adds them up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::StatusCode;

use super::{Outlet, Style, batch::Batch};
use crate::{channel::Message, config::Transport, framing::Farewell};

/// A number that one thread writes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Adds to it; for the thread that writes.
    pub(crate) fn add(&self, number: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }
}

/// Why a wait has ended by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Another subscriber took the place.
    Conflict,
    /// The channel was deleted.
    Deleted,
    /// History has left the client behind.
    Slow,
    /// The server shuts down.
    Shutdown,
    /// `push_subscriber_timeout` has passed.
    Timeout,
    /// The client has not answered a ping, or not taken what was there for it.
    Silent,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Conflict, Self::Deleted, Self::Slow, Self::Shutdown, Self::Timeout, Self::Silent];

    /// What it is called where it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Deleted => "deleted",
            Self::Slow => "slow",
            Self::Shutdown => "shutdown",
            Self::Timeout => "timeout",
            Self::Silent => "silent",
        }
    }
}

impl From<Farewell> for End {
    fn from(why: Farewell) -> Self {
        match why {
            Farewell::Conflict => Self::Conflict,
            Farewell::Deleted => Self::Deleted,
            Farewell::Lagging => Self::Slow,
            Farewell::Shutdown => Self::Shutdown,
            Farewell::Timeout => Self::Timeout,
        }
    }
}

/// Classes of statuses, from 1xx to 5xx.
pub const CLASSES: usize = 5;

/// The counters of a worker, which share no cache line with another's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Tally {
    /// Connections that have been accepted.
    pub accepted: Counter,
    /// Those of them that are closed.
    pub closed: Counter,
    /// Requests that have been understood.
    pub requests: Counter,
    /// Responses by the class of their status, 1xx first; a held one counts when its head goes out.
    pub responses: [Counter; CLASSES],
    /// Messages that subscribers have got, each once for each of them.
    pub delivered: Counter,
    /// The bytes of their bodies.
    pub delivered_bytes: Counter,
    /// Answers to polls, whatever was in them.
    pub polls: Counter,
    /// Times that a subscriber was told of messages that are gone.
    pub gaps: Counter,
    /// Requests of subscribers that were let in, by `Transport as usize`.
    pub visits: [Counter; Transport::ALL.len()],
    /// Those of them that waited, or still wait.
    pub waits: [Counter; Transport::ALL.len()],
    /// Waits that are over, for whatever reason.
    pub parted: [Counter; Transport::ALL.len()],
    /// Waits that ended by themselves, by `End as usize`.
    pub ends: [Counter; End::ALL.len()],
}

impl Tally {
    /// A response begins.
    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.responses.get(class) {
            counter.add(1);
        }
    }

    /// A poll has got its answer.
    pub(super) fn answered_poll(&self, outlet: &Outlet, batch: &Batch) {
        if matches!(outlet.style, Style::Poll(_)) {
            self.answered(StatusCode::OK);
        }
        let (messages, bytes) = batch.contents();
        self.polls.add(1);
        self.delivered(messages, bytes);
        self.gaps.add(u64::from(batch.gap));
    }

    /// A subscriber has got these messages; others before them may be gone.
    pub(crate) fn handed(&self, messages: &[Arc<Message>], gap: bool) {
        self.delivered(messages.len(), messages.iter().map(|one| one.body().len()).sum());
        self.gaps.add(u64::from(gap));
    }

    /// A subscriber has got messages.
    pub(super) fn delivered(&self, messages: usize, bytes: usize) {
        self.delivered.add(messages as u64);
        self.delivered_bytes.add(bytes as u64);
    }

    /// A subscriber is let in.
    pub(crate) fn visited(&self, transport: Transport) {
        self.visits[transport as usize].add(1);
    }

    /// A subscriber begins to wait.
    pub(crate) fn waits(&self, transport: Transport) {
        self.waits[transport as usize].add(1);
    }

    /// A subscriber waits no more.
    pub(crate) fn parted(&self, transport: Transport) {
        self.parted[transport as usize].add(1);
    }

    /// Subscribers that wait by this transport.
    pub fn waiting(&self, transport: Transport) -> u64 {
        // What ends is read before what begins, so that no more can have ended than begun.
        let parted = self.parted[transport as usize].get();
        self.waits[transport as usize].get().saturating_sub(parted)
    }

    /// A wait ends by itself.
    pub(crate) fn ended(&self, why: impl Into<End>) {
        self.ends[why.into() as usize].add(1);
    }
}

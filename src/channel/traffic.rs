//! What has become of all messages, counted for the process as a whole.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Why a message is no longer kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gone {
    /// Its channel was deleted.
    Deleted,
    /// The buffer was full: `push_max_message_buffer_length`.
    Displaced,
    /// The memory was used up: `push_max_reserved_memory`.
    Evicted,
    /// Its time was over: `push_message_timeout`, `push_grace`.
    Expired,
    /// Somebody has received it: `push_delete_oldest_received_message`.
    Received,
}

impl Gone {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Deleted, Self::Displaced, Self::Evicted, Self::Expired, Self::Received];

    /// What it is called where it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Displaced => "displaced",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::Received => "received",
        }
    }
}

/// All messages of the process at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Messages ever published, one in several channels once for each.
    pub published: u64,
    /// The bytes of their bodies.
    pub published_bytes: u64,
    /// Messages that are kept.
    pub stored: usize,
    /// Bytes that messages and their frames take.
    pub memory_used: usize,
    /// `push_max_reserved_memory`.
    pub memory_limit: usize,
    /// Messages that are no longer kept, in the order of [`Gone::ALL`].
    pub gone: [u64; Gone::ALL.len()],
}

/// The counters; they belong to the budget, which every message knows.
#[derive(Debug, Default)]
pub(super) struct Counts {
    published: AtomicU64,
    published_bytes: AtomicU64,
    stored: AtomicUsize,
    gone: [AtomicU64; Gone::ALL.len()],
}

impl Counts {
    pub(super) fn published(&self, bytes: usize) {
        self.published.fetch_add(1, Relaxed);
        self.published_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn stored(&self) {
        self.stored.fetch_add(1, Relaxed);
    }

    pub(super) fn gone(&self, why: Gone) {
        self.stored.fetch_sub(1, Relaxed);
        self.gone[why as usize].fetch_add(1, Relaxed);
    }

    /// How things are, but for the memory.
    pub(super) fn read(&self) -> Traffic {
        Traffic {
            published: self.published.load(Relaxed),
            published_bytes: self.published_bytes.load(Relaxed),
            stored: self.stored.load(Relaxed),
            gone: Gone::ALL.map(|why| self.gone[why as usize].load(Relaxed)),
            ..Traffic::default()
        }
    }
}

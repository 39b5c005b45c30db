//! What has become of all messages, counted for the process as a whole.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    pub stored: u64,
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
    /// Messages that a store has given back.
    loaded: AtomicU64,
    gone: [AtomicU64; Gone::ALL.len()],
}

impl Counts {
    pub(super) fn published(&self, bytes: usize) {
        self.published.fetch_add(1, Relaxed);
        self.published_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn loaded(&self) {
        self.loaded.fetch_add(1, Relaxed);
    }

    pub(super) fn gone(&self, why: Gone) {
        self.gone[why as usize].fetch_add(1, Relaxed);
    }

    /// How things are, but for the memory.
    pub(super) fn read(&self) -> Traffic {
        // What goes is read before what comes, so that no more can have gone than come.
        let gone = Gone::ALL.map(|why| self.gone[why as usize].load(Relaxed));
        let published = self.published.load(Relaxed);
        let come = published + self.loaded.load(Relaxed);
        Traffic {
            published,
            published_bytes: self.published_bytes.load(Relaxed),
            stored: come.saturating_sub(gone.iter().sum()),
            gone,
            ..Traffic::default()
        }
    }
}

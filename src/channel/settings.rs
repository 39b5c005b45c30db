//! What the hub is told: once for the process, and by each subscriber.

use std::{fmt, sync::Arc, time::UNIX_EPOCH};

use super::{Concurrency, Creation, Start, Store};

/// Unix seconds; may step back.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What the whole process allows.
pub struct Settings {
    /// `push_max_reserved_memory` in bytes.
    pub memory: usize,
    /// `push_max_channels`: 0 is any number.
    pub max_channels: usize,
    /// `push_max_subscribers`: 0 is any number.
    pub max_subscribers: usize,
    /// Where messages are kept beside the rings.
    pub store: Option<Arc<dyn Store>>,
    /// What time it is.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        let clock = || UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        Self {
            memory: 32 << 20,
            max_channels: 0,
            max_subscribers: 0,
            store: None,
            clock: Box::new(clock),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("memory", &self.memory)
            .field("max_channels", &self.max_channels)
            .field("max_subscribers", &self.max_subscribers)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// What a subscriber asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Where it begins.
    pub start: Start,
    /// Who else may wait.
    pub concurrency: Concurrency,
    /// How a channel that does not exist comes to be; `None`: it does not.
    pub creation: Option<Creation>,
}

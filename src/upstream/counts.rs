//! What the workers count together of their traffic with applications.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Of all upstreams.
#[derive(Debug, Default)]
pub struct Counts {
    /// Questions whose answer is awaited, those among them that wait for their turn.
    pub questions: Arc<AtomicUsize>,
    /// Questions that did not get their turn.
    pub turned_away: AtomicU64,
    /// Requests that wait for an application that cannot be reached.
    pub waiting: Arc<AtomicUsize>,
}

/// Of one upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GroupFigures {
    /// Requests that were sent to it, or were to be.
    pub requests: u64,
    /// Attempts that failed, each server's own.
    pub failures: u64,
    /// Its servers.
    pub servers: usize,
    /// Those that are left alone now, because they have failed.
    pub unavailable: usize,
    /// Connections that are open.
    pub connections: usize,
}

/// One more, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn among(number: &Arc<AtomicUsize>) -> Self {
        number.fetch_add(1, Relaxed);
        Self(number.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

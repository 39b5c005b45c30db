//! The notices of a worker that wait.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::upstream::{backoff::Backoff, notice::Notice};

/// Bytes of the notices that wait: a thousand each where there are as many as `push_hook_queue` is by
/// itself.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Before a notice is sent again, ...
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// ... and at most.
const MAX_PAUSE: Duration = Duration::from_secs(8);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<Waiting>,
    /// What the notices in the queue take.
    pub(super) bytes: usize,
    pub(super) under_way: usize,
    pub(super) running: bool,
    /// Nothing is tried again.
    pub(super) closing: bool,
    /// Those who will have something to tell.
    pub(super) owed: usize,
    /// Upstreams that cannot be reached, and until when they are left alone.
    down: HashMap<usize, (Backoff, Instant)>,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) notice: Notice,
    pub(super) since: Instant,
    pub(super) due: Instant,
    pub(super) backoff: Backoff,
}

impl State {
    /// Takes out the notice at a place of the queue.
    pub(super) fn take(&mut self, at: usize) -> Option<Waiting> {
        let waiting = self.queue.remove(at)?;
        self.bytes -= waiting.notice.size();
        Some(waiting)
    }

    /// Makes room for so many bytes in a queue of so many notices; says how many have gone for it.
    pub(super) fn make_room(&mut self, bytes: usize, most: usize) -> usize {
        let mut gone = 0;
        while self.queue.len() >= most || self.bytes + bytes > MAX_BYTES {
            if self.take(0).is_none() {
                break;
            }
            gone += 1;
        }
        gone
    }

    /// When a notice may be sent.
    pub(super) fn due(&self, waiting: &Waiting) -> Instant {
        let down = self.down.get(&waiting.notice.upstream);
        down.map_or(waiting.due, |(_, until)| waiting.due.max(*until))
    }

    /// Whether the upstream of a notice is left alone now.
    pub(super) fn is_down(&self, waiting: &Waiting, now: Instant) -> bool {
        self.down.get(&waiting.notice.upstream).is_some_and(|(_, until)| *until > now)
    }

    /// An upstream could be reached, or not.
    pub(super) fn note(&mut self, upstream: usize, reached: bool) {
        let now = Instant::now();
        if reached {
            self.down.remove(&upstream);
            return;
        }
        let (backoff, until) = self.down.entry(upstream).or_insert_with(|| (pauses(), now));
        // Of those that were under way together the first counts.
        if *until <= now {
            *until = now + backoff.pause();
        }
    }
}

/// Those before whoever could not be reached is asked again.
pub(super) fn pauses() -> Backoff {
    Backoff::new(FIRST_PAUSE, MAX_PAUSE)
}

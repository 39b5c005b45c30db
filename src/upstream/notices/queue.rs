//! The notices of a worker that wait, each in the lane of its upstream.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::upstream::{backoff::Backoff, notice::Notice};

/// Notices to one upstream that are under way at a time.
pub(super) const AT_ONCE: usize = 16;
/// Bytes of the notices that wait: a thousand each where there are as many as `push_hook_queue` is by
/// itself.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// A notice that could not be told for so long is given up.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Before a notice is sent again, ...
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// ... and at most, ...
const MAX_PAUSE: Duration = Duration::from_secs(8);
/// ... and at most when the server shuts down.
const MAX_LAST_PAUSE: Duration = Duration::from_secs(1);
/// How often those are looked for that have waited for too long.
const SWEEP: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct State {
    /// By the number of the upstream.
    lanes: HashMap<usize, Lane>,
    /// Notices that wait, and what they take.
    pub(super) queued: usize,
    pub(super) bytes: usize,
    pub(super) under_way: usize,
    pub(super) running: bool,
    /// The server shuts down.
    pub(super) closing: bool,
    /// Those who will have something to tell.
    pub(super) owed: usize,
    /// Notices that have come to wait so far.
    pushed: u64,
    swept: Option<Instant>,
}

/// The notices to one upstream.
#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Waiting>,
    under_way: usize,
    /// It is away, and left alone until then.
    down: Option<(Backoff, Instant)>,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) notice: Notice,
    /// Since when.
    pub(super) since: Instant,
    pub(super) due: Instant,
    pub(super) backoff: Backoff,
    /// Its place among those of all lanes.
    number: u64,
}

impl Waiting {
    /// One that is due at once.
    pub(super) fn new(notice: Notice, now: Instant) -> Self {
        Self { notice, since: now, due: now, backoff: pauses(MAX_PAUSE), number: 0 }
    }
}

impl Lane {
    /// The first notice that may be sent.
    fn next(&self, now: Instant) -> Option<usize> {
        let rests = self.down.as_ref().is_some_and(|(_, until)| *until > now);
        if rests || self.under_way >= AT_ONCE {
            return None;
        }
        self.queue.iter().position(|waiting| waiting.due <= now)
    }

    /// When the next may be sent, if no other has to come back before.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.under_way >= AT_ONCE || self.queue.is_empty() {
            return None;
        }
        let until = self.down.as_ref().map(|(_, until)| *until).filter(|until| *until > now);
        until.or_else(|| self.queue.iter().map(|waiting| waiting.due).min())
    }
}

impl State {
    /// Puts a notice behind the others.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.pushed += 1;
        self.queued += 1;
        self.bytes += waiting.notice.size();
        let lane = self.lanes.entry(waiting.notice.upstream).or_default();
        lane.queue.push_back(Waiting { number: self.pushed, ..waiting });
    }

    fn take(&mut self, upstream: usize, at: usize) -> Option<Waiting> {
        let waiting = self.lanes.get_mut(&upstream)?.queue.remove(at)?;
        self.queued -= 1;
        self.bytes -= waiting.notice.size();
        Some(waiting)
    }

    /// Makes room for so many bytes in a queue of so many notices; says how many have gone for it.
    pub(super) fn make_room(&mut self, bytes: usize, most: usize) -> usize {
        let mut gone = 0;
        while self.queued >= most || self.bytes + bytes > MAX_BYTES {
            let fronts = self.lanes.iter().filter_map(|(upstream, lane)| {
                lane.queue.front().map(|waiting| (waiting.number, *upstream))
            });
            let oldest = fronts.min();
            if oldest.and_then(|(_, upstream)| self.take(upstream, 0)).is_none() {
                break;
            }
            gone += 1;
        }
        gone
    }

    /// Takes out a notice to send: it is under way from now on.
    pub(super) fn next(&mut self, now: Instant) -> Option<Waiting> {
        let mut lanes = self.lanes.iter();
        let (upstream, at) =
            lanes.find_map(|(upstream, lane)| Some((*upstream, lane.next(now)?)))?;
        let waiting = self.take(upstream, at)?;
        self.under_way += 1;
        self.lanes.entry(upstream).or_default().under_way += 1;
        Some(waiting)
    }

    /// A notice is no longer under way.
    pub(super) fn done(&mut self, upstream: usize) {
        self.under_way -= 1;
        self.lanes.entry(upstream).or_default().under_way -= 1;
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let sends = self.lanes.values().filter_map(|lane| lane.due(now));
        let sweeps = self.swept.filter(|_| self.queued > 0).map(|swept| swept + SWEEP);
        sends.chain(sweeps).min().unwrap_or(now + PATIENCE)
    }

    /// Forgets those that have waited for too long, from time to time; says how many.
    pub(super) fn sweep(&mut self, now: Instant) -> usize {
        if self.swept.is_some_and(|swept| now - swept < SWEEP) {
            return 0;
        }
        self.swept = Some(now);
        let (before, mut bytes) = (self.queued, 0);
        self.queued = 0;
        for lane in self.lanes.values_mut() {
            lane.queue.retain(|waiting| now - waiting.since < PATIENCE);
            self.queued += lane.queue.len();
            bytes += lane.queue.iter().map(|waiting| waiting.notice.size()).sum::<usize>();
        }
        self.bytes = bytes;
        before - self.queued
    }

    /// An upstream was there, or not.
    pub(super) fn note(&mut self, upstream: usize, there: bool) {
        let (now, most) = (Instant::now(), self.longest());
        let lane = self.lanes.entry(upstream).or_default();
        if there {
            lane.down = None;
            return;
        }
        let (backoff, until) = lane.down.get_or_insert_with(|| (pauses(most), now));
        // Of those that were under way together the first counts.
        if *until <= now {
            *until = now + backoff.pause();
        }
    }

    /// The server shuts down: all are due, and none rests for long.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        let (now, most) = (Instant::now(), self.longest());
        for lane in self.lanes.values_mut() {
            lane.down = None;
            for waiting in &mut lane.queue {
                (waiting.due, waiting.backoff) = (now, pauses(most));
            }
        }
    }

    /// One that failed comes again after a pause, unless it has waited for too long by then.
    pub(super) fn again(&self, mut waiting: Waiting) -> Option<Waiting> {
        let pause = waiting.backoff.pause();
        waiting.due = Instant::now() + pause.min(self.longest());
        (waiting.due - waiting.since <= PATIENCE).then_some(waiting)
    }

    fn longest(&self) -> Duration {
        if self.closing { MAX_LAST_PAUSE } else { MAX_PAUSE }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.lanes.values().flat_map(|lane| &lane.queue)
    }
}

/// Those before whoever could not be told is asked again.
fn pauses(most: Duration) -> Backoff {
    Backoff::new(FIRST_PAUSE, most)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::{config::Timeouts, upstream::Inquiry};

    fn waiting(upstream: usize, now: Instant) -> Waiting {
        let (timeouts, method, headers) = (Timeouts::default(), Method::GET, HeaderMap::new());
        let uri = "/".parse().unwrap();
        let inquiry = Inquiry { upstream, timeouts, method, uri, headers };
        Waiting::new(Notice::new(&inquiry), now)
    }

    #[test]
    fn what_one_upstream_does_delays_no_notice_to_another() {
        let (mut state, now) = (State::default(), Instant::now());
        for _ in 0..AT_ONCE + 5 {
            state.push(waiting(0, now));
        }
        let next = |state: &mut State| state.next(now).map(|waiting| waiting.notice.upstream);
        for _ in 0..AT_ONCE {
            assert_eq!(next(&mut state), Some(0));
        }
        // One hangs.
        assert_eq!(next(&mut state), None);
        state.push(waiting(1, now));
        state.push(waiting(2, now));
        // One is away.
        state.note(1, false);
        assert_eq!(next(&mut state), Some(2));
        assert_eq!(next(&mut state), None);
        assert!(state.due(now) > now && state.due(now) <= now + MAX_PAUSE);
        state.note(1, true);
        assert_eq!(next(&mut state), Some(1));
        state.done(0);
        assert_eq!(next(&mut state), Some(0));
        assert_eq!((state.queued, state.under_way), (4, AT_ONCE + 2));
    }

    #[test]
    fn what_waits_for_too_long_is_given_up_though_others_are_under_way() {
        let (mut state, now) = (State::default(), Instant::now());
        for _ in 0..AT_ONCE + 5 {
            state.push(waiting(0, now));
        }
        while state.next(now).is_some() {}
        assert_eq!(state.sweep(now), 0);
        assert_eq!(state.due(now), now + SWEEP);
        assert_eq!(state.sweep(now + PATIENCE), 5);
        assert_eq!((state.queued, state.bytes), (0, 0));
    }
}

//! Timers of the hall: a coarse wheel with at most a few bytes a connection.
//!
//! An entry is only a key: when it comes up, the connection says what is due, and is put in again
//! for what is not. So a timer is moved by writing its tick into the connection, and an entry that
//! outlived its connection does no harm.

use std::time::{Duration, Instant};

/// A moment, in steps of a tenth of a second since the wheel began.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Tick(u32);

impl Tick {
    /// Later than every moment.
    pub(super) const NEVER: Self = Self(u32::MAX);
}

#[derive(Debug)]
pub(super) struct Wheel {
    start: Instant,
    slots: Box<[Vec<u32>]>,
    /// Slots up to this one have been emptied.
    done: u32,
    entries: usize,
}

const STEP: Duration = Duration::from_millis(100);
/// The wheel reaches 102 seconds; what is later comes up then and is put in again.
const SLOTS: u32 = 1024;

impl Wheel {
    pub(super) fn new(now: Instant) -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Self { start: now, slots, done: 0, entries: 0 }
    }

    /// The step that `now` lies in.
    pub(super) fn now(&self, now: Instant) -> Tick {
        Tick(steps(now.saturating_duration_since(self.start)))
    }

    /// The first step that is `after` from now or later.
    pub(super) fn after(&self, now: Instant, after: Duration) -> Tick {
        let steps = steps(now.saturating_duration_since(self.start) + after);
        Tick(steps.saturating_add(1).min(u32::MAX - 1))
    }

    /// Makes `key` come up at `tick`, or as far ahead as the wheel reaches. Returns when.
    pub(super) fn insert(&mut self, key: u32, tick: Tick) -> Tick {
        let tick = tick.0.clamp(self.done + 1, self.done + SLOTS - 1);
        self.slots[(tick % SLOTS) as usize].push(key);
        self.entries += 1;
        Tick(tick)
    }

    /// One step whose time has come, if there is one, and the keys in it.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Tick, Vec<u32>)> {
        let now = self.now(now);
        while self.done < now.0 {
            if self.entries == 0 {
                self.done = now.0;
                return None;
            }
            self.done += 1;
            let keys = std::mem::take(&mut self.slots[(self.done % SLOTS) as usize]);
            if !keys.is_empty() {
                self.entries -= keys.len();
                return Some((Tick(self.done), keys));
            }
        }
        None
    }

    /// When the next key comes up.
    pub(super) fn next(&self) -> Option<Instant> {
        let ticks = self.done + 1..self.done + SLOTS;
        let tick = (self.entries > 0)
            .then(|| ticks.into_iter().find(|tick| !self.slots[(tick % SLOTS) as usize].is_empty()))
            .flatten()?;
        Some(self.start + STEP * tick)
    }
}

fn steps(since: Duration) -> u32 {
    u32::try_from(since.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_up_in_their_step_and_not_before() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let tick = wheel.after(start, Duration::from_millis(250));
        assert_eq!(wheel.insert(7, tick), tick);
        assert_eq!(wheel.due(start + Duration::from_millis(249)), None);
        assert_eq!(wheel.next(), Some(start + Duration::from_millis(300)));
        assert_eq!(wheel.due(start + Duration::from_millis(300)), Some((tick, vec![7])));
        assert_eq!((wheel.due(start + Duration::from_secs(9)), wheel.next()), (None, None));
    }

    #[test]
    fn what_is_far_ahead_comes_up_at_the_reach_of_the_wheel() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let tick = wheel.after(start, Duration::from_hours(1));
        let queued = wheel.insert(7, tick);
        assert!(queued < tick);
        assert_eq!(wheel.due(start + Duration::from_secs(200)), Some((queued, vec![7])));
    }

    #[test]
    fn a_tick_in_the_past_comes_up_at_the_next_step() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.due(start + Duration::from_secs(500));
        wheel.insert(1, Tick(3));
        assert!(wheel.due(start + Duration::from_millis(500_100)).is_some());
    }
}

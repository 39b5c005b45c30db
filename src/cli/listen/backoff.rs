//! How long to wait before a lost connection is tried again.

use std::time::Duration;

use crate::upstream;

/// Waits double from the first to the longest, and each is drawn from its upper half, so that all who
/// were cut off at once do not come back at once.
#[derive(Debug)]
pub(super) struct Backoff(upstream::Backoff);

/// The first wait, unless an event stream says another (`retry`).
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, unless the first is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// No first wait is shorter, whatever an event stream says, ...
const LEAST: Duration = Duration::from_millis(100);
/// ... and none is longer.
const MOST: Duration = Duration::from_hours(1);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(upstream::Backoff::new(FIRST, LONGEST))
    }

    /// Waits from the shortest first one on.
    pub(super) fn shortest() -> Self {
        Self(upstream::Backoff::new(LEAST, LONGEST))
    }

    /// The gateway says how long the first wait is.
    pub(super) fn begin_with(&mut self, first: Duration) {
        self.0.begin_with(first.clamp(LEAST, MOST));
    }

    /// It works again.
    pub(super) fn reset(&mut self) {
        self.0.reset();
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        self.0.pause()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new();
        for most in [1, 2, 4, 8, 16, 30, 30] {
            let (most, wait) = (Duration::from_secs(most), backoff.next());
            assert!(most / 2 <= wait && wait <= most, "{wait:?} of {most:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= LONGEST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn the_gateway_says_how_long_the_first_wait_is() {
        let mut backoff = Backoff::new();
        backoff.begin_with(Duration::from_secs(100));
        for _ in 0..3 {
            let wait = backoff.next();
            assert!(Duration::from_secs(50) <= wait && wait <= Duration::from_secs(100));
        }
        backoff.begin_with(Duration::MAX);
        assert!(backoff.next() <= MOST);
        backoff.begin_with(Duration::ZERO);
        backoff.reset();
        for most in [100, 200, 400] {
            let (most, wait) = (Duration::from_millis(most), backoff.next());
            assert!(most / 2 <= wait && wait <= most, "{wait:?} of {most:?}");
        }
    }
}

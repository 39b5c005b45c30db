//! One line of the log for what happens again and again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines about the same thing.
const QUIET: Duration = Duration::from_secs(1);

/// When the log was last told of it, and how often it has happened since.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// It has happened; how often since the last line, if it is time for the next.
    pub(super) fn speaks(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, times) = &mut *state;
        *times += 1;
        if last.is_some_and(|last| now.duration_since(last) < QUIET) {
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_a_second_that_counts_what_had_none() {
        let (quiet, now) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.speaks(now), Some(1));
        for _ in 0..9 {
            assert_eq!(quiet.speaks(now + QUIET / 2), None);
        }
        assert_eq!(quiet.speaks(now + QUIET), Some(10));
        assert_eq!(quiet.speaks(now + 2 * QUIET), Some(1));
    }
}

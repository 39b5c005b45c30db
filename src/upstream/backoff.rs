//! How long to wait before somebody is asked again who could not be reached: longer each time, up to a
//! bound, and not as long as others who began to wait at the same moment.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The pauses of one who asks again.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses that begin with about this one, double each time, and reach `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// From now on the first pause is about this one, and `most` no shorter.
    pub fn begin_with(&mut self, first: Duration) {
        self.first = first;
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half of its length and all of it.
    pub fn pause(&mut self) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = (self.failures + 1).min(u32::BITS - 1);
        let whole = doubled.min(self.most.max(self.first));
        // Of each new state the keys are others.
        let dice = RandomState::new().hash_one(0_u8) >> 32;
        let share = u32::try_from(dice).unwrap_or_default();
        whole / 2 + (whole / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let pauses = || {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
            std::array::from_fn::<_, 5, _>(|_| backoff.pause())
        };
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let all = pauses();
            for (pause, whole) in all.iter().zip([100, 200, 400, 500, 500]) {
                let whole = Duration::from_millis(whole);
                assert!((whole / 2..=whole).contains(pause), "{pause:?} of {whole:?}");
            }
            seen.insert(all);
        }
        assert!(seen.len() > 90);
    }
}

//! Times in buckets: each power of two has the same number of steps, so that every time is told
//! within 1.6 %.

use serde::{Deserialize, Serialize};

/// How many times of which length there were, in nanoseconds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Histogram {
    /// By step; as long as the longest time needs.
    steps: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

/// Steps of a power of two.
const STEPS: usize = 64;

impl Histogram {
    pub(super) fn record(&mut self, nanos: u64) {
        let step = step(nanos);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, 0);
        }
        self.steps[step] += 1;
        self.count += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// Takes in what another process has recorded.
    pub(super) fn add(&mut self, other: &Self) {
        if self.steps.len() < other.steps.len() {
            self.steps.resize(other.steps.len(), 0);
        }
        self.steps.iter_mut().zip(&other.steps).for_each(|(mine, more)| *mine += more);
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    pub(super) fn mean(&self) -> u64 {
        let mean = self.sum.checked_div(u128::from(self.count)).unwrap_or_default();
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// The time that so many of a thousand do not exceed, told as the end of its step.
    pub(super) fn quantile(&self, permille: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(permille)).div_ceil(1000).max(1);
        let mut below = 0;
        for (step, count) in self.steps.iter().enumerate() {
            below += u128::from(*count);
            if below >= rank {
                return end(step).min(self.max);
            }
        }
        self.max
    }
}

fn step(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(STEPS.ilog2() + 1);
    shift as usize * STEPS + usize::try_from(nanos >> shift).unwrap_or_default()
}

/// The longest time of a step.
fn end(step: usize) -> u64 {
    let shift = (step / STEPS).saturating_sub(1);
    let length = (step - shift * STEPS) as u128 + 1;
    u64::try_from((length << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(times: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for time in times {
            histogram.record(*time);
        }
        histogram
    }

    #[test]
    fn short_times_are_exact_and_steps_follow_each_other() {
        for nanos in 0..128 {
            assert_eq!((step(nanos) as u64, end(step(nanos))), (nanos, nanos));
        }
        for nanos in 127..100_000 {
            let (before, after) = (step(nanos), step(nanos + 1));
            assert!(after == before || after == before + 1 && end(before) == nanos, "{nanos}");
        }
        assert_eq!(end(step(u64::MAX)), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_time_is_told_within_its_step(nanos in any::<u64>()) {
            let end = end(step(nanos));
            prop_assert!(end >= nanos && end - nanos <= nanos / 64);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_times(
            mut times in prop::collection::vec(0_u64..1 << 40, 1..200),
            permille in 0_u64..=1000,
        ) {
            let histogram = recorded(&times);
            times.sort_unstable();
            let permille_of = usize::try_from(permille).unwrap();
            let rank = (times.len() * permille_of).div_ceil(1000).max(1);
            let exact = times[rank - 1];
            let told = histogram.quantile(permille);
            prop_assert!(told >= exact && told - exact <= exact / 64);
            prop_assert_eq!(histogram.quantile(1000), *times.last().unwrap());
        }

        #[test]
        fn two_histograms_added_are_one(
            left in prop::collection::vec(any::<u64>(), 0..50),
            right in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut sum = recorded(&left);
            sum.add(&recorded(&right));
            prop_assert_eq!(sum, recorded(&[left, right].concat()));
        }
    }

    #[test]
    fn nothing_recorded_is_nothing_told() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.mean(), empty.quantile(500), empty.max()), (0, 0, 0, 0));
    }
}

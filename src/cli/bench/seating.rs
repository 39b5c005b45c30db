//! Which process holds how many subscribers, counted in descriptors.

use super::Error;

/// What has to be seated, and what else takes descriptors of this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seating {
    pub(super) subscribers: u32,
    /// Subscribers of one process, at most.
    pub(super) per_process: u32,
    /// Descriptors that are open already. Other processes may inherit them.
    pub(super) open: u32,
    /// Connections of publishers and neighbours, which are this process's.
    pub(super) others: u32,
}

/// How many subscribers sit where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seats {
    /// In this process: one at least.
    pub(super) here: u32,
    /// In each other process; the last may have fewer.
    pub(super) each: u32,
    /// Other processes.
    pub(super) workers: u32,
}

/// Descriptors that each process opens for itself: epoll instances, files of `/proc`, a
/// repeated standard input, and what there is for a moment while another process is started.
pub(super) const RESERVE: u32 = 32;
/// What another process takes of this one: its standard input and output.
const WORKER: u32 = 2;

impl Seating {
    /// The seats where a process may have so many descriptors, in as few processes as will do.
    pub(super) fn seats(&self, allowed: u32) -> Result<Seats, Error> {
        self.fit(allowed).ok_or_else(|| Error::Descriptors { allowed, needed: self.needed() })
    }

    /// Beside each other process there is less room in this one, which may take one more of them.
    fn fit(&self, allowed: u32) -> Option<Seats> {
        let free = allowed.checked_sub(RESERVE + self.open)?;
        let each = free.min(self.per_process);
        let alone = free.checked_sub(self.others).filter(|alone| *alone > 0)?;
        let rest = self.subscribers.saturating_sub(alone.min(self.per_process));
        let mut workers = rest.div_ceil(each);
        loop {
            let taken = workers.checked_mul(WORKER)?;
            let here = alone.checked_sub(taken).filter(|here| *here > 0)?.min(self.per_process);
            if here.saturating_add(workers.saturating_mul(each)) >= self.subscribers {
                return Some(Seats { here, each, workers });
            }
            workers += 1;
        }
    }

    /// The fewest descriptors with which everyone has a seat.
    fn needed(&self) -> u32 {
        let rest = RESERVE + self.open + self.others;
        // One that has no seat, and then one where even a process each would do.
        let mut too_few = rest;
        let mut enough = rest.saturating_add(self.subscribers.max(1).saturating_mul(1 + WORKER));
        while enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            let fits = self.fit(middle).is_some();
            *(if fits { &mut enough } else { &mut too_few }) = middle;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: u32 = 8;

    fn seating(subscribers: u32, per_process: u32, others: u32) -> Seating {
        Seating { subscribers, per_process, open: OPEN, others }
    }

    fn needed(seating: Seating, allowed: u32) -> u32 {
        match seating.seats(allowed) {
            Err(Error::Descriptors { allowed: told, needed }) if told == allowed => needed,
            other => panic!("{seating:?} with {allowed}: {other:?}"),
        }
    }

    #[test]
    fn one_process_holds_what_it_may() {
        for (subscribers, others) in [(1, 16), (1000, 1), (19_900, 16), (19_900, 60)] {
            let seats = seating(subscribers, 19_900, others).seats(20_000).unwrap();
            assert_eq!(seats, Seats { here: 19_900, each: 19_900, workers: 0 });
        }
        let seats = seating(19_901, 19_900, 60).seats(20_000).unwrap();
        // Two pipes take the place of two subscribers.
        assert_eq!(seats, Seats { here: 19_898, each: 19_900, workers: 1 });
    }

    #[test]
    fn what_other_processes_take_is_counted() {
        for (subscribers, others) in [(800_000, 16), (1_000_000, 16), (1_000_000, 3000)] {
            let seats = seating(subscribers, 19_900, others).seats(20_000).unwrap();
            let used = OPEN + RESERVE + others + 2 * seats.workers + seats.here;
            assert!(used <= 20_000 && seats.here > 16_000, "{seats:?} use {used}");
            assert!(seats.here + 19_900 * seats.workers >= subscribers, "{seats:?}");
        }
        // The pipes of the 40 that would do leave no room for the last few here: there are 41.
        let seats = seating(19_900 * 41, 19_900, 16).seats(20_000).unwrap();
        assert_eq!((seats.workers, seats.here), (41, 20_000 - OPEN - RESERVE - 16 - 82));
    }

    #[test]
    fn what_is_needed_is_said_and_enough() {
        // One here, and 40 more with two pipes each.
        let forty = seating(41, 1, 1);
        assert_eq!(needed(forty, 66), OPEN + RESERVE + 1 + 1 + 80);
        assert_eq!(needed(seating(1, 10, 100), 100), OPEN + RESERVE + 101);
        for few in [0, 1, OPEN, OPEN + RESERVE, OPEN + RESERVE + 1] {
            assert_eq!(needed(seating(1, 1, 1), few), OPEN + RESERVE + 2);
        }
    }

    proptest! {
        #[test]
        fn everyone_has_a_seat_and_no_process_more_than_it_may(
            subscribers in 1_u32..1_000_000,
            per_process in 1_u32..20_000,
            open in 0_u32..2000,
            others in 0_u32..3000,
            allowed in prop_oneof![0_u32..5000, 0_u32..3_000_000, Just(u32::MAX)],
        ) {
            let seating = Seating { subscribers, per_process, open, others };
            match seating.seats(allowed) {
                Ok(Seats { here, each, workers }) => {
                    let own = u64::from(RESERVE + open);
                    let used = own + u64::from(others + here) + 2 * u64::from(workers);
                    prop_assert!(used <= u64::from(allowed) && here > 0);
                    prop_assert!(own + u64::from(each) <= u64::from(allowed));
                    prop_assert!(here.max(each) <= per_process);
                    let seated = u64::from(here) + u64::from(each) * u64::from(workers);
                    prop_assert!(seated >= u64::from(subscribers));
                }
                Err(Error::Descriptors { needed, .. }) => {
                    prop_assert!(needed > allowed);
                    prop_assert!(seating.seats(needed).is_ok());
                    prop_assert!(seating.seats(needed - 1).is_err());
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

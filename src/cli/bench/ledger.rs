//! What one subscriber has had of its channel: a number, and a window of what came early.

/// The messages of one subscriber, each of which must come once and in order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Ledger {
    /// The first message that has not come.
    next: u32,
    /// Bit `i`: message `next + i` has come. Bit 0 is never set.
    early: u64,
    /// The latest message of which one has come that was sent once more, from 1; 0: none.
    repeated: u32,
}

/// How a message came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Came {
    /// After all before it; so many of them have not come and are given up.
    New(u32),
    /// After one that was published later.
    Late,
    /// Once more.
    Again,
    /// Once more, and it was sent once more: one of the two may be of either sending.
    Unsure,
}

/// How far ahead of a missing message others may come before it counts as lost.
const WINDOW: u32 = u64::BITS;

impl Ledger {
    /// A message has come. Of one that was sent once more, each of the two sendings may come once.
    pub(super) fn take(&mut self, sequence: u32, again: bool) -> Came {
        // A sequence is less than `SEQUENCES`.
        let repeated = self.repeated == sequence + 1;
        if again {
            self.repeated = sequence + 1;
        }
        match self.hear(sequence) {
            Came::Again if again != repeated => Came::Unsure,
            came => came,
        }
    }

    fn hear(&mut self, sequence: u32) -> Came {
        let Some(ahead) = sequence.checked_sub(self.next) else { return Came::Again };
        let given_up = if ahead >= WINDOW { self.slide(ahead - WINDOW + 1) } else { 0 };
        let bit = 1 << (sequence - self.next);
        if self.early & bit != 0 {
            return Came::Again;
        }
        let late = self.early > bit;
        self.early |= bit;
        self.close_up();
        if late { Came::Late } else { Came::New(given_up) }
    }

    /// How many of the messages that were published have not come, beside those given up.
    pub(super) fn missing(&self, published: u32) -> u32 {
        published.saturating_sub(self.next).saturating_sub(self.early.count_ones())
    }

    /// Moves the window; returns how many messages of what it leaves behind have not come.
    fn slide(&mut self, steps: u32) -> u32 {
        let left = self.early & 1_u64.checked_shl(steps).map_or(u64::MAX, |bit| bit - 1);
        self.early = self.early.checked_shr(steps).unwrap_or_default();
        self.next += steps;
        let missed = steps - left.count_ones();
        self.close_up();
        missed
    }

    fn close_up(&mut self) {
        let come = self.early.trailing_ones();
        self.early = self.early.checked_shr(come).unwrap_or_default();
        self.next += come;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(sequences: &[u32]) -> (Ledger, Vec<Came>) {
        let mut ledger = Ledger::default();
        let came = sequences.iter().map(|sequence| ledger.take(*sequence, false)).collect();
        (ledger, came)
    }

    #[test]
    fn in_order_nothing_is_missing() {
        let (ledger, came) = taken(&[0, 1, 2]);
        assert_eq!(came, [Came::New(0); 3]);
        assert_eq!((ledger.missing(3), ledger.missing(5)), (0, 2));
    }

    #[test]
    fn a_double_is_noticed_also_ahead_of_a_gap() {
        assert_eq!(taken(&[0, 0]).1, [Came::New(0), Came::Again]);
        assert_eq!(taken(&[0, 2, 2, 1]).1[2..], [Came::Again, Came::Late]);
    }

    #[test]
    fn of_what_was_sent_once_more_each_sending_may_come_once() {
        let came = |all: &[(u32, bool)]| {
            let mut ledger = Ledger::default();
            let came = all.iter().map(|(sequence, again)| ledger.take(*sequence, *again));
            came.last().unwrap()
        };
        for all in [&[(0, false), (0, true)][..], &[(0, true), (0, false)]] {
            assert_eq!(came(all), Came::Unsure, "{all:?}");
        }
        for all in [
            &[(0, true), (0, true)][..],
            &[(0, false), (0, false)],
            &[(0, false), (0, true), (0, true)],
            &[(0, true), (1, false), (1, false)],
        ] {
            assert_eq!(came(all), Came::Again, "{all:?}");
        }
        assert_eq!(came(&[(0, false), (1, true)]), Came::New(0));
    }

    #[test]
    fn two_exchanged_are_one_inversion_and_no_loss() {
        let (ledger, came) = taken(&[0, 2, 1, 3]);
        assert_eq!(came, [Came::New(0), Came::New(0), Came::Late, Came::New(0)]);
        assert_eq!(ledger.missing(4), 0);
    }

    #[test]
    fn a_loss_is_missing_and_nothing_else() {
        let (ledger, came) = taken(&[0, 2, 3]);
        assert_eq!(came, [Came::New(0); 3]);
        assert_eq!(ledger.missing(4), 1);
    }

    #[test]
    fn a_window_behind_a_loss_is_given_up() {
        let (ledger, came) = taken(&[0, 2, 64, 65, 200]);
        assert_eq!(came[..3], [Came::New(0); 3]);
        // 1 leaves the window with 65; 3 to 63, and 66 to 136, with 200.
        assert_eq!(came[3..], [Came::New(1), Came::New(61 + 71)]);
        assert_eq!(ledger.missing(201), 63);
    }

    proptest! {
        #[test]
        fn losses_and_doubles_are_counted_exactly(
            sequences in prop::collection::vec(0_u32..300, 0..400),
            window in 1_u32..60,
        ) {
            // Never more than the window out of order.
            let mut sorted = sequences.clone();
            sorted.sort_by_key(|sequence| sequence / window);
            let mut ledger = Ledger::default();
            let (mut given_up, mut again) = (0, 0);
            for sequence in &sorted {
                match ledger.take(*sequence, false) {
                    Came::New(missed) => given_up += missed,
                    Came::Late => {}
                    Came::Again | Came::Unsure => again += 1,
                }
            }
            let total = sorted.len();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(again, total - sorted.len());
            prop_assert_eq!(given_up + ledger.missing(300), 300 - u32::try_from(sorted.len()).unwrap());
        }
    }
}

//! Which messages all subscribers have.

use std::collections::VecDeque;

/// A round is one message to each channel; it is done when every subscriber has its own.
#[derive(Debug)]
pub(super) struct Rounds {
    subscribers: u32,
    /// How many have heard each round, from the first on that is not done.
    counts: VecDeque<u32>,
    done: u32,
    heard: u64,
}

impl Rounds {
    pub(super) fn new(subscribers: u32) -> Self {
        Self { subscribers, counts: VecDeque::new(), done: 0, heard: 0 }
    }

    /// One more subscriber has the message of a round.
    pub(super) fn hear(&mut self, round: u32) {
        self.heard += 1;
        let Some(at) = round.checked_sub(self.done) else { return };
        let at = at as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        while self.counts.front().is_some_and(|count| *count >= self.subscribers) {
            self.counts.pop_front();
            self.done += 1;
        }
    }

    /// Rounds from the first on that are done.
    pub(super) fn done(&self) -> u32 {
        self.done
    }

    /// Messages that have come.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_done_when_all_before_it_are() {
        let mut rounds = Rounds::new(2);
        for (round, done) in [(0, 0), (1, 0), (1, 0), (0, 2), (3, 2), (3, 2), (2, 2), (2, 4)] {
            rounds.hear(round);
            assert_eq!(rounds.done(), done);
        }
        assert_eq!(rounds.heard(), 8);
    }
}

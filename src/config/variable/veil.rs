//! Numbers that tell nothing of each other: `$connection` may name a channel, and who could guess the
//! next one could listen to it.

use std::hash::{BuildHasher, RandomState};

/// A permutation of all numbers, which nobody knows: a Feistel cipher with a keyed hash as its round.
#[derive(Debug, Default)]
pub struct Veil(RandomState);

/// A number behind its veil, which is worked out only where somebody asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Veiled<'a> {
    /// What hides it.
    pub veil: &'a Veil,
    /// The number itself.
    pub number: u64,
}

impl Veiled<'_> {
    /// What may be shown of it.
    pub(super) fn shown(self) -> u64 {
        self.veil.number(self.number)
    }
}

/// Four make a permutation that cannot be told from a random one (Luby and Rackoff, 1988).
const ROUNDS: u8 = 4;

impl Veil {
    /// Another number for each number.
    pub(super) fn number(&self, number: u64) -> u64 {
        let (mut left, mut right) = (number >> 32, number & 0xffff_ffff);
        for round in 0..ROUNDS {
            let mixed = left ^ (self.0.hash_one((round, right)) & 0xffff_ffff);
            (left, right) = (right, mixed);
        }
        left << 32 | right
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_stay_different_and_tell_nothing() {
        let veil = Veil::default();
        let veiled: HashSet<u64> = (0..10_000).map(|number| veil.number(number)).collect();
        assert_eq!(veiled.len(), 10_000);
        assert!(veiled.iter().filter(|number| **number > u64::from(u32::MAX)).count() > 9_900);
        assert_eq!(veil.number(7), veil.number(7));
        assert_ne!(veil.number(7), Veil::default().number(7));
    }
}

//! How far back readers without a cursor still ask.
//!
//! Such a reader says only with its next request where it is, so what it has not had must outlast the
//! time between two of them, however long it takes to catch up. Two windows are enough: the lowest
//! position asked for in the present one and in the one before.

use std::time::{Duration, Instant};

use super::MessageId;

#[derive(Debug)]
pub(super) struct Asked {
    /// The length of a window: the longest grace of those who ask.
    grace: Duration,
    ends: Option<Instant>,
    before: MessageId,
    lately: MessageId,
}

impl Default for Asked {
    fn default() -> Self {
        Self { grace: Duration::ZERO, ends: None, before: MessageId::LAST, lately: MessageId::LAST }
    }
}

impl Asked {
    /// Somebody asks for what follows a position; it counts for a grace at least, and two at most.
    pub(super) fn note(&mut self, position: MessageId, now: Instant, grace: Duration) {
        self.turn(now);
        self.grace = if self.ends.is_some() { self.grace.max(grace) } else { grace };
        self.lately = self.lately.min(position);
        self.ends.get_or_insert(now + self.grace);
    }

    /// Everything after this is still asked for.
    pub(super) fn floor(&mut self, now: Instant) -> MessageId {
        self.turn(now);
        self.before.min(self.lately)
    }

    /// Begins a new window if the present one is over.
    fn turn(&mut self, now: Instant) {
        let Some(ends) = self.ends.filter(|ends| *ends <= now) else { return };
        let lately = std::mem::replace(&mut self.lately, MessageId::LAST);
        self.before = if now < ends + self.grace { lately } else { MessageId::LAST };
        self.ends = (self.before < MessageId::LAST).then_some(ends + self.grace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn id(tag: u64) -> MessageId {
        MessageId::new(5, tag).unwrap()
    }

    #[test]
    fn a_position_counts_for_a_grace_at_least_and_two_at_most() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut asked = Asked::default();
        assert_eq!(asked.floor(start), MessageId::LAST);
        asked.note(id(3), start, GRACE);
        asked.note(id(7), at(9), GRACE);
        assert_eq!(asked.floor(at(19)), id(3));
        assert_eq!(asked.floor(at(20)), MessageId::LAST);
        asked.note(id(8), at(21), GRACE);
        asked.note(id(9), at(32), GRACE);
        assert_eq!(asked.floor(at(33)), id(8));
        assert_eq!(asked.floor(at(41)), id(9));
        assert_eq!(asked.floor(at(90)), MessageId::LAST);
    }
}

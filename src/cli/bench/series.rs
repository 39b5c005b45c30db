//! Which message is due when, and which connection has to publish it.
//!
//! All of it follows from a number, so that nothing is kept of what is due and cannot be sent yet:
//! a server that takes less than it is given costs the load no memory.

use std::ops::Range;

use super::clock::SECOND;

/// Messages in order, to all channels in turn. Message `n` is of channel `n` modulo the channels, and
/// that is of the connection of its number modulo the connections.
#[derive(Debug)]
pub(super) struct Series {
    channels: u64,
    connections: u64,
    /// Messages before this one may be sent.
    allowed: u64,
    pace: Option<Pace>,
}

/// Fixed times of messages.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// When the first is due, and which one that is.
    begin: u64,
    first: u64,
    /// Messages in a second.
    rate: u32,
    /// The first that is not due any more.
    end: u64,
}

impl Series {
    pub(super) fn new(channels: u32, connections: u32) -> Self {
        let [channels, connections] = [channels, connections].map(|count| u64::from(count.max(1)));
        Self { channels, connections, allowed: 0, pace: None }
    }

    pub(super) fn channels(&self) -> u64 {
        self.channels
    }

    /// Messages before that one may be sent; returns which are so only now.
    pub(super) fn allow(&mut self, end: u64) -> Range<u64> {
        let before = self.allowed;
        self.allowed = before.max(end);
        before..self.allowed
    }

    /// From `begin` on so many more messages are due in a second, up to `end`, which is not.
    pub(super) fn pace(&mut self, begin: u64, rate: u32, end: u64) {
        self.pace = Some(Pace { begin, first: self.allowed, rate, end });
    }

    /// The same for so many nanoseconds.
    pub(super) fn pace_for(&mut self, begin: u64, rate: u32, time: u64) {
        let end = self.allowed.saturating_add(due_before(time, rate));
        self.pace(begin, rate, end);
    }

    /// Allows what is due by now; returns what is so only now.
    pub(super) fn allow_due(&mut self, now: u64) -> Range<u64> {
        let due = self.pace.and_then(|Pace { begin, first, rate, end }| {
            let passed = now.checked_sub(begin)?;
            Some(first.saturating_add(due_before(passed.saturating_add(1), rate)).min(end))
        });
        self.allow(due.unwrap_or(0))
    }

    /// When the next message is due that is not allowed yet.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due(self.allowed).filter(|_| self.pace.is_some_and(|pace| self.allowed < pace.end))
    }

    /// Nanoseconds between two messages of a pace.
    pub(super) fn interval(&self) -> u64 {
        self.pace.map_or(0, |pace| SECOND / u64::from(pace.rate.max(1)))
    }

    /// Nothing more becomes due.
    pub(super) fn stop(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.end = self.allowed;
        }
    }

    /// Nothing may be sent, also of what was due.
    pub(super) fn cease(&mut self) {
        (self.allowed, self.pace) = (0, None);
    }

    /// The channel of a message that may be sent, and when it was due, if that is fixed.
    pub(super) fn message(&self, number: u64) -> Option<(u32, Option<u64>)> {
        let channel = u32::try_from(number % self.channels).ok()?;
        (number < self.allowed).then(|| (channel, self.due(number)))
    }

    /// The connection of a message.
    pub(super) fn connection(&self, number: u64) -> usize {
        usize::try_from(number % self.channels % self.connections).unwrap_or_default()
    }

    /// The first message of a connection from that number on; none if it has no channel.
    pub(super) fn first_of(&self, connection: u32, from: u64) -> Option<u64> {
        let connection = u64::from(connection);
        let channel = from % self.channels;
        let steps = channel.saturating_sub(connection).div_ceil(self.connections);
        let next = connection + steps * self.connections;
        let next = if next < self.channels { next } else { self.channels + connection };
        (connection < self.channels).then(|| from - channel + next)
    }

    fn due(&self, number: u64) -> Option<u64> {
        let Pace { begin, first, rate, .. } = self.pace?;
        let after = u128::from(number.saturating_sub(first)) * u128::from(SECOND);
        let after = u64::try_from(after / u128::from(rate.max(1))).unwrap_or(u64::MAX);
        Some(begin.saturating_add(after))
    }
}

/// How many messages are due in the first nanoseconds of a rate, the one at 0 among them.
fn due_before(nanos: u64, rate: u32) -> u64 {
    let due = (u128::from(nanos) * u128::from(rate)).div_ceil(u128::from(SECOND));
    u64::try_from(due).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_allowed_when_it_is_due() {
        let mut series = Series::new(2, 1);
        assert_eq!((series.allow(4), series.allow(3)), (0..4, 4..4));
        assert_eq!((series.message(3), series.message(4)), (Some((1, None)), None));
        series.pace(1000, 3, 9);
        assert_eq!((series.allow_due(999), series.next_due()), (4..4, Some(1000)));
        assert_eq!((series.allow_due(1000), series.next_due()), (4..5, Some(333_334_333)));
        assert_eq!(series.allow_due(333_334_332), 5..5);
        assert_eq!(
            (series.allow_due(333_334_333), series.message(5)),
            (5..6, Some((1, Some(333_334_333))))
        );
        // However late it is looked, a message was due at its time, and no more are due than were asked for.
        assert_eq!((series.allow_due(u64::MAX), series.next_due()), (6..9, None));
        assert_eq!(series.message(8), Some((0, Some(1_333_334_333))));
    }

    #[test]
    fn what_was_due_may_be_sent_after_the_stop_and_not_when_all_ceases() {
        let mut series = Series::new(1, 1);
        series.pace(0, 1, u64::MAX);
        series.allow_due(2 * SECOND);
        series.stop();
        assert_eq!((series.allow_due(9 * SECOND), series.next_due()), (3..3, None));
        assert_eq!(series.message(2), Some((0, Some(2 * SECOND))));
        series.cease();
        assert_eq!((series.message(2), series.next_due()), (None, None));
        assert_eq!(series.allow_due(9 * SECOND).count(), 0);
    }

    #[test]
    fn a_pace_ends_before_its_time_is_over() {
        let mut series = Series::new(1, 1);
        series.pace_for(50, 40, SECOND / 2);
        // The one after the last would be due when the time is over.
        assert_eq!(series.allow_due(u64::MAX), 0..20);
        series.pace_for(60, 7, SECOND / 2);
        assert_eq!(
            (series.allow_due(60 + SECOND), series.message(20)),
            (20..24, Some((0, Some(60))))
        );
    }

    proptest! {
        #[test]
        fn connections_have_what_queues_would_have(
            channels in 1_u32..40,
            connections in 1_u32..50,
            messages in 0_u64..300,
        ) {
            let mut series = Series::new(channels, connections);
            let mut queues = vec![VecDeque::new(); connections as usize];
            for number in series.allow(messages) {
                let channel = u32::try_from(number % u64::from(channels)).unwrap();
                queues[(channel % connections) as usize].push_back((channel, None));
                prop_assert_eq!(series.connection(number), (channel % connections) as usize);
            }
            for (connection, queue) in (0..).zip(queues) {
                let mut next = series.first_of(connection, 0);
                prop_assert_eq!(next.is_some(), connection < channels);
                for job in queue {
                    let number = next.unwrap();
                    prop_assert_eq!(series.message(number), Some(job));
                    next = series.first_of(connection, number + 1);
                }
                prop_assert_eq!(next.and_then(|number| series.message(number)), None);
            }
        }

        #[test]
        fn what_is_allowed_is_what_is_due(
            rate in 1_u32..1_000_000,
            begin in 0_u64..1 << 62,
            passed in prop::collection::vec(0_u64..SECOND / 100, 1..20),
        ) {
            let mut series = Series::new(3, 2);
            series.pace(begin, rate, u64::MAX);
            let mut now = begin;
            for more in passed {
                now += more;
                let new = series.allow_due(now);
                prop_assert!(new.is_empty() || series.due(new.end - 1).unwrap() <= now);
                prop_assert!(series.next_due().unwrap() > now);
            }
        }
    }
}

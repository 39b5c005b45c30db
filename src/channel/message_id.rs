//! The place of a message: the second it was published and a counter within it.
//!
//! Invariant: the ids handed out by [`MessageId::following`] never repeat and never fall, whatever
//! the clock does.

use std::{fmt, num::ParseIntError, str::FromStr};

/// `time:tag`, totally ordered; 8 bytes, because every held connection keeps one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(u64);

/// Bits of the counter; the other 38 hold seconds until the year 10680.
const TAG_BITS: u32 = 26;

impl MessageId {
    /// Before every message.
    pub const ZERO: Self = Self(0);
    /// After every message.
    pub const LAST: Self = Self(u64::MAX);
    /// The largest second that fits.
    pub const MAX_TIME: u64 = u64::MAX >> TAG_BITS;
    /// The largest counter that fits.
    pub const MAX_TAG: u64 = (1 << TAG_BITS) - 1;

    /// The id of a second and a counter, if both fit.
    pub fn new(time: u64, tag: u64) -> Option<Self> {
        (time <= Self::MAX_TIME && tag <= Self::MAX_TAG).then_some(Self(time << TAG_BITS | tag))
    }

    /// The last id before the second `time`: a cursor from which the whole second is still to come.
    pub fn before_second(time: u64) -> Self {
        Self((time.min(Self::MAX_TIME) << TAG_BITS).saturating_sub(1))
    }

    /// The last id within the second `time`: a cursor that has seen the whole second.
    pub fn end_of_second(time: u64) -> Self {
        Self(time.min(Self::MAX_TIME) << TAG_BITS | Self::MAX_TAG)
    }

    /// Unix seconds.
    pub fn time(self) -> u64 {
        self.0 >> TAG_BITS
    }

    /// The counter within the second.
    pub fn tag(self) -> u64 {
        self.0 & Self::MAX_TAG
    }

    /// The id of the next message when the clock says `now`: the first of a new second, else the
    /// next counter of the latest one, also when the clock stepped back or the counter is used up.
    #[must_use]
    pub fn following(self, now: u64) -> Self {
        let now = now.min(Self::MAX_TIME);
        if now > self.time() { Self(now << TAG_BITS) } else { self.successor() }
    }

    /// The id right after this one.
    #[must_use]
    pub fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The id right before this one.
    #[must_use]
    pub fn predecessor(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The id as one number, for storage in an atomic.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The reverse of [`MessageId::to_bits`].
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.time(), self.tag())
    }
}

/// Why a text is no message id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseMessageIdError {
    /// There is no colon.
    #[error("a message id is `time:tag`")]
    NoColon,
    /// One of the parts is no number.
    #[error("time and tag of a message id are decimal numbers: {0}")]
    NotANumber(#[from] ParseIntError),
    /// One of the parts is too large.
    #[error("time or tag of the message id is too large")]
    TooLarge,
}

impl FromStr for MessageId {
    type Err = ParseMessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (time, tag) = text.split_once(':').ok_or(ParseMessageIdError::NoColon)?;
        Self::new(decimal(time)?, decimal(tag)?).ok_or(ParseMessageIdError::TooLarge)
    }
}

/// Digits only: `u64::from_str` would also take a plus sign.
pub(crate) fn decimal(text: &str) -> Result<u64, ParseIntError> {
    if text.starts_with('+') { "".parse::<u64>() } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(time: u64, tag: u64) -> MessageId {
        MessageId::new(time, tag).unwrap()
    }

    #[test]
    fn a_new_second_starts_at_zero_and_the_same_second_counts() {
        assert_eq!(MessageId::ZERO.following(5), id(5, 0));
        assert_eq!(id(5, 0).following(5), id(5, 1));
        assert_eq!(id(5, 7).following(6), id(6, 0));
    }

    #[test]
    fn a_clock_that_steps_back_goes_on_counting() {
        assert_eq!(id(5, 7).following(1), id(5, 8));
        assert_eq!(id(5, MessageId::MAX_TAG).following(1), id(6, 0));
    }

    #[test]
    fn a_second_lies_between_its_two_cursors() {
        assert!(MessageId::before_second(5) < id(5, 0));
        assert_eq!(MessageId::before_second(5).successor(), id(5, 0));
        assert_eq!(MessageId::end_of_second(5).successor(), id(6, 0));
        assert_eq!(MessageId::before_second(0), MessageId::ZERO);
    }

    #[test]
    fn text_round_trips_and_garbage_is_refused() {
        assert_eq!("1450755280:3".parse(), Ok(id(1_450_755_280, 3)));
        assert_eq!(id(1_450_755_280, 3).to_string(), "1450755280:3");
        for bad in ["", "5", ":", "5:", ":5", "a:1", "1:b", "-1:0", "+1:0", "1:2:3", "1: 2"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
        for large in ["274877906944:0", "1:67108864"] {
            assert_eq!(large.parse::<MessageId>(), Err(ParseMessageIdError::TooLarge));
        }
        assert!("18446744073709551616:0".parse::<MessageId>().is_err());
    }
}

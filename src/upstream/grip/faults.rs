//! What the log is told of those who are held. A single fault of the application meets all of them, and
//! is one line a second for each upstream.

use std::{fmt::Display, time::Instant};

use tracing::warn;

use super::Caller;
use crate::upstream::quiet::Quiet;

/// The lines of an upstream.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Faults([Quiet; 8]);

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Who should be held is refused.
    Refused,
    /// A later answer names channels that are refused.
    Channels,
    /// Pages without a byte follow each other.
    Endless,
    /// What follows cannot be had.
    Next,
    /// The link `gone` is none.
    Gone,
    /// A WebSocket ends.
    Socket,
    /// It does not get a channel.
    Subscribe,
    /// It has too much meta.
    Meta,
}

impl Fault {
    fn sentence(self) -> &'static str {
        match self {
            Self::Refused => "a request cannot be held",
            Self::Channels => "a held request ends",
            Self::Endless => "the application links from one empty answer to the next",
            Self::Next => "what follows a held answer cannot be had",
            Self::Gone => "that a client has left cannot be told",
            Self::Socket => "a WebSocket ends",
            Self::Subscribe => "a WebSocket does not get a channel",
            Self::Meta => "a WebSocket has as much meta as it may have",
        }
    }
}

impl Caller {
    /// Tells the log, if it is time for a line.
    pub(super) fn warns(&self, fault: Fault, why: impl Display) {
        let Some(proxy) = &self.location.proxy else { return };
        let group = &self.client.groups[proxy.upstream];
        if let Some(times) = group.held.0[fault as usize].speaks(Instant::now()) {
            warn!(upstream = group.name(), times, %why, "{}", fault.sentence());
        }
    }
}

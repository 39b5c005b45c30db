//! A reader's place in one or more channels: a cursor, and while it waits a seat in each.

use std::sync::Arc;

use super::{Channel, Message, MessageId};

/// Where a subscriber without a message id begins: `push_first_message`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum First {
    /// The oldest stored message.
    #[default]
    Oldest,
    /// The next message to come.
    Newest,
    /// So many messages before the next one to come.
    Last(usize),
}

/// Who may wait on a channel at the same time: `push_subscriber_concurrency`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Concurrency {
    /// Everyone.
    #[default]
    Broadcast,
    /// The first; later ones are refused.
    First,
    /// The last; earlier ones are sent away.
    Last,
}

/// Where a subscriber begins to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// After the message it names.
    After(MessageId),
    /// It names none.
    First(First),
}

/// How many may wait; 0 is any number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seats {
    /// Who may wait at the same time.
    pub concurrency: Concurrency,
    /// `push_max_channel_subscribers`.
    pub channel: usize,
    /// `push_group_max_subscribers`.
    pub group: usize,
}

/// Why a subscriber may not wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SeatError {
    /// `push_max_channel_subscribers`.
    #[error("The channel has as many subscribers as it may have.")]
    ChannelFull,
    /// `push_subscriber_concurrency = "first"`: somebody waits already.
    #[error("Another subscriber waits on this channel.")]
    Conflict,
    /// `push_max_subscribers`.
    #[error("The server has as many subscribers as it may have.")]
    Full,
    /// The channel was deleted meanwhile.
    #[error("The channel was deleted.")]
    Gone,
    /// `push_group_max_subscribers`.
    #[error("The channel group has as many subscribers as it may have.")]
    GroupFull,
}

/// A reader's place in channels of one group. Dropping it gives up its seats.
#[derive(Debug)]
pub struct Subscription {
    channels: Vec<Arc<Channel>>,
    cursor: MessageId,
    /// The reader has said itself where it left off.
    resumes: bool,
    /// One for each channel, once it waits.
    tickets: Vec<u32>,
}

impl Subscription {
    pub(super) fn new(channels: Vec<Arc<Channel>>, cursor: MessageId, resumes: bool) -> Self {
        Self { channels, cursor, resumes, tickets: Vec::new() }
    }

    /// Its channels, at least one.
    pub fn channels(&self) -> &[Arc<Channel>] {
        &self.channels
    }

    /// What it has seen: everything up to here.
    pub fn cursor(&self) -> MessageId {
        self.cursor
    }

    /// It has seen everything up to `id`.
    pub fn advance(&mut self, id: MessageId) {
        self.cursor = id;
    }

    /// Everything after the cursor, oldest first.
    pub fn read(&self) -> Vec<Arc<Message>> {
        read(&self.channels, self.cursor)
    }

    /// Whether messages after the place where the reader has left off are gone. Who has not said where
    /// that is misses nothing.
    pub fn has_gap(&self) -> bool {
        if !self.resumes {
            return false;
        }
        // What is published meanwhile is not gone.
        let last = self.channels.iter().map(|channel| channel.info().last_message_id).max();
        let messages = self.read();
        let nothing = messages.is_empty() && last.is_some_and(|last| last > self.cursor);
        nothing || gap(&messages, self.cursor)
    }

    /// Takes a seat in each channel, or in none.
    pub fn sit(&mut self, seats: Seats) -> Result<(), SeatError> {
        for channel in &self.channels {
            match channel.sit(seats, self.cursor) {
                Ok(ticket) => self.tickets.push(ticket),
                Err(error) => {
                    self.stand();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Channels and tickets; the caller answers for the seats from now on, and settles them.
    pub fn into_seats(mut self) -> Vec<(Arc<Channel>, u32)> {
        std::mem::take(&mut self.channels)
            .into_iter()
            .zip(std::mem::take(&mut self.tickets))
            .collect()
    }

    fn stand(&mut self) {
        for (channel, _) in self.channels.iter().zip(self.tickets.drain(..)) {
            channel.leave(1);
            channel.settle();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stand();
    }
}

/// Everything that channels of one group hold after a cursor, in the order of publishing.
///
/// The watermark is read first: what is published while the rings are read, perhaps to one that
/// has been read already, is above it and has to wait, or an id below it would be skipped.
pub fn read(channels: &[Arc<Channel>], cursor: MessageId) -> Vec<Arc<Message>> {
    let mut messages = Vec::new();
    let [first, others @ ..] = channels else { return messages };
    let watermark = if others.is_empty() { MessageId::LAST } else { first.group().watermark() };
    for channel in channels {
        channel.read(cursor, &mut messages);
    }
    if !others.is_empty() {
        messages.retain(|message| message.id() <= watermark);
        messages.sort_unstable_by_key(|message| message.id());
    }
    messages
}

/// Whether a message before one of these, and after `from`, is gone.
pub fn gap(messages: &[Arc<Message>], from: MessageId) -> bool {
    let mut before = from;
    messages.iter().any(|message| {
        let previous = message.previous();
        let follows = previous <= from || previous == before;
        before = message.id();
        !follows && messages.binary_search_by_key(&previous, |other| other.id()).is_err()
    })
}

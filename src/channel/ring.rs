//! The recent messages of a channel.

use std::time::Duration;

/// What a publisher location lets a channel keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// `push_max_message_buffer_length`: messages a newcomer may still get; 0 with storing off.
    pub max_messages: usize,
    /// `push_min_message_buffer_length`: what `push_delete_oldest_received_message` leaves.
    pub min_messages: usize,
    /// `push_message_timeout`: how long; `None` is for ever.
    pub timeout: Option<Duration>,
    /// `push_delete_oldest_received_message`: the oldest goes once somebody received it.
    pub delete_oldest_received: bool,
    /// `push_channel_timeout`: how long an empty channel lingers.
    pub channel_timeout: Duration,
    /// `push_grace`: how long a message that is not stored can still be asked for by id.
    pub grace: Duration,
}

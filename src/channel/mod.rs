//! The heart: channels, messages and their order. No sockets, no HTTP, no configuration.

mod id;
mod message;
mod message_id;
mod ring;
mod subscription;

pub use id::ChannelId;
pub use message::{Budget, Draft, Frame, FrameSlot, Message};
pub use message_id::{MessageId, ParseMessageIdError};
pub use ring::Retention;
pub use subscription::{Concurrency, First};

/// The state of a channel, as publishers are told it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChannelInfo {
    /// Messages stored.
    pub messages: usize,
    /// Seconds since a subscriber last asked; `None`: nobody ever did.
    pub requested: Option<u64>,
    /// Subscribers waiting now.
    pub subscribers: usize,
    /// The id of the latest message; zero before the first.
    pub last_message_id: MessageId,
}

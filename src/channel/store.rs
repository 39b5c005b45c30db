//! What persistence must offer; memory needs none, because the ring is it.

use std::{fmt, future::Future, pin::Pin};

use super::{ChannelId, Draft, MessageId, Retention};

/// The answer of a store, which may take its time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place where messages outlive the process, or are shared with others.
///
/// A store, and not the clock, assigns the ids of what goes through it.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Keeps a message and gives it its id, which is higher than all before it in its group.
    fn append<'a>(
        &'a self,
        channel: &'a ChannelId,
        draft: &'a Draft,
        keep: &'a Retention,
    ) -> StoreFuture<'a, MessageId>;

    /// The messages of a channel after an id, oldest first.
    fn read_after<'a>(
        &'a self,
        channel: &'a ChannelId,
        after: MessageId,
    ) -> StoreFuture<'a, Vec<Stored>>;

    /// Forgets a channel and its messages.
    fn delete<'a>(&'a self, channel: &'a ChannelId) -> StoreFuture<'a, ()>;

    /// The gateway begins or ceases to hold a channel: a shared store sends it what others publish.
    fn interest(&self, channel: &ChannelId, interest: Interest);
}

/// Whether the gateway holds a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interest {
    /// From now on.
    Begins,
    /// No longer.
    Ends,
}

/// A message as a store gives it back.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place.
    pub id: MessageId,
    /// The message.
    pub draft: Draft,
    /// What was to be kept when it was published.
    pub keep: Retention,
}

/// A store could not do it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the message store is not available: {0}")]
pub struct StoreError(pub String);

//! Why the hub could not do it.

use super::StoreError;

/// Why a message was not published.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublishError {
    /// The message alone is larger than `push_max_reserved_memory`.
    #[error("The message is larger than the memory for messages.")]
    BudgetSpent,
    /// `push_max_channels` or `push_group_max_channels`.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a channel cannot be subscribed to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubscribeError {
    /// `push_subscriber_concurrency = "first"`: somebody waits already.
    #[error("Another subscriber waits on this channel.")]
    Conflict,
    /// `push_authorized_channels_only`: it does not exist.
    #[error("The channel does not exist, and subscribers may not create it.")]
    NoSuchChannel,
    /// `push_max_channels` or `push_group_max_channels`.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `push_max_channels` or `push_group_max_channels`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("There are as many channels as there may be.")]
pub struct TooManyChannels;

/// Why a channel could not be opened.
pub(super) enum OpenError {
    TooManyChannels,
    Store(StoreError),
}

impl From<OpenError> for PublishError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooManyChannels => TooManyChannels.into(),
            OpenError::Store(error) => error.into(),
        }
    }
}

impl From<OpenError> for SubscribeError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooManyChannels => TooManyChannels.into(),
            OpenError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

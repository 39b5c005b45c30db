//! A reader's place in one or more channels.

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

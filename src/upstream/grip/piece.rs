//! What comes to a client that is held.

use std::sync::Arc;

use bytes::Bytes;

use crate::channel::Message;

/// What there is next.
#[derive(Debug)]
pub(super) enum Next {
    Message(Arc<Message>),
    /// An item is missing that only the application can tell.
    Lost,
    /// There are no more messages.
    Over,
}

/// What a message is to one client.
#[derive(Debug)]
pub(super) enum Piece {
    /// Nothing.
    Nothing,
    /// These bytes.
    Content(Bytes),
    /// A reason to ask the application.
    Ask,
    /// Its end.
    End,
}

//! What the client of a WebSocket may send, and who takes it.

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;

use crate::response::Refusal;

/// Takes the messages that the client of a WebSocket sends.
pub trait Inbound: fmt::Debug {
    /// Takes one; whoever sent it waits with the next until this is done.
    fn take(&self, message: Received) -> Taking;
}

/// A message that is being taken; in the end there may be an answer for whoever sent it, and nobody else.
pub type Taking = Pin<Box<dyn Future<Output = Result<Option<Received>, Refusal>>>>;

/// A message from the client of a WebSocket, or to it alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The message; it owns exactly its bytes.
    pub body: Bytes,
    /// Whether its frames said that it is not text.
    pub binary: bool,
}

/// What the client of a WebSocket may send.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// `push_websocket_max_message` in bytes.
    pub max_message: usize,
    /// Its messages may be compressed.
    pub deflate: bool,
    /// Messages that nobody takes are no reason to part.
    pub ignores: bool,
}

//! Wire formats: how a message looks on each transport. Pure: messages in, bytes out.

mod escape;
pub mod event_source;
pub mod interval_poll;
pub mod long_poll;
pub mod template;

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

use crate::channel::{Frame, Message};

/// A transport's wire format.
pub trait Framing: fmt::Debug + Send + Sync + 'static {
    /// The `Content-Type` of the response, if the framing and not the message decides it.
    fn content_type(&self) -> Option<HeaderValue>;

    /// The first bytes of an endless response, before any message.
    fn opening(&self) -> Bytes {
        Bytes::new()
    }

    /// One message; run once for each message and framing.
    fn encode(&self, message: &Message) -> Frame;

    /// What keeps a silent connection alive; empty: this framing has nothing harmless to say.
    fn ping(&self) -> Bytes {
        Bytes::new()
    }

    /// Tells a resuming client that messages between `after` and the next one are gone; empty: it
    /// cannot be told.
    fn gap(&self, _after: crate::channel::MessageId) -> Bytes {
        Bytes::new()
    }

    /// The last bytes of an endless response that the server ends.
    fn closing(&self, _why: Farewell) -> Bytes {
        Bytes::new()
    }
}

/// Why the server ends a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    /// `push_subscriber_concurrency`: another subscriber took the place.
    Conflict,
    /// The channel was deleted.
    Deleted,
    /// The server shuts down.
    Shutdown,
    /// `push_subscriber_timeout` has passed.
    Timeout,
}

/// Wraps a payload into one HTTP/1.1 chunk (RFC 9112 section 7.1); an empty one stays empty,
/// because an empty chunk ends the response.
pub fn chunk(payload: &[u8]) -> Frame {
    if payload.is_empty() {
        return Frame::default();
    }
    let mut bytes = Vec::with_capacity(payload.len() + 20);
    bytes.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    let end = bytes.len();
    bytes.extend_from_slice(b"\r\n");
    Frame { bytes: bytes.into(), start, end }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::channel::{Budget, ChannelId, Draft, Message, MessageId};

    /// A message of channel `5` as the framings' tests need it.
    pub(super) fn drafted(
        (time, tag): (u64, u64),
        body: &[u8],
        content_type: Option<&str>,
        event: Option<&str>,
    ) -> Message {
        let draft = Draft {
            body: body.to_vec().into(),
            content_type: content_type.map(|text| text.to_owned().into()),
            event: event.map(|text| text.to_owned().into()),
            event_id: None,
        };
        let id = MessageId::new(time, tag).unwrap();
        let budget = Arc::new(Budget::new(usize::MAX));
        Message::new(ChannelId::new(b"5"), id, MessageId::ZERO, draft, budget)
    }

    /// The same, of neither type nor event.
    pub(super) fn message(time: u64, tag: u64, body: &[u8]) -> Message {
        drafted((time, tag), body, None, None)
    }
}

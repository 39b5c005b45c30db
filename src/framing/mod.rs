//! Wire formats: how a message looks on each transport. Pure: messages in, bytes out.

pub mod compressions;
pub mod early;
mod escape;
pub mod event_source;
pub mod gzip;
pub mod http1;
pub mod interval_poll;
mod jsonp;
pub mod long_poll;
pub mod multipart;
pub mod raw;
pub mod template;
mod voice;
pub mod websocket;

use std::{fmt, io::Write};

use http::HeaderValue;
pub use voice::Voice;

use crate::channel::{ChannelId, Checksum, Frame, FrameSlot, Message, MessageId};

/// The wire format of a response that goes on: any number of messages, until one side ends it.
///
/// Each frame is one chunk of HTTP/1.1, whose payload is what goes to HTTP/1.0 and HTTP/2, or bytes
/// that need nothing around them (WebSocket). An empty frame says nothing.
pub trait Framing: fmt::Debug + Send + Sync + 'static {
    /// The `Content-Type` of the response; none where it is not HTTP any more.
    fn content_type(&self) -> Option<HeaderValue>;

    /// The `Content-Encoding` of the response.
    fn content_encoding(&self) -> Option<HeaderValue> {
        None
    }

    /// What comes before any message.
    fn opening(&self) -> Frame {
        Frame::default()
    }

    /// Whether the response ends with its first message.
    fn single(&self) -> bool {
        false
    }

    /// One message; run once for each message and framing.
    fn encode(&self, message: &Message) -> Frame;

    /// What keeps a silent connection alive; empty: this framing has nothing harmless to say.
    fn ping(&self) -> Frame {
        Frame::default()
    }

    /// Tells a resuming client that messages between `after` and the next one are gone; empty: it
    /// cannot be told.
    fn gap(&self, _after: MessageId) -> Frame {
        Frame::default()
    }

    /// What a client is told of the deletion of its channel, in front of [`Framing::closing`].
    fn deleted(&self, _channel: &ChannelId) -> Frame {
        Frame::default()
    }

    /// What a client is told when the server ends the response.
    fn closing(&self, _why: Farewell) -> Frame {
        Frame::default()
    }

    /// What follows everything that was `sent`, also behind [`Framing::closing`].
    fn trailer(&self, _sent: Checksum) -> Frame {
        Frame::default()
    }
}

/// Where messages keep what looks the same in all locations.
pub mod slot {
    use super::FrameSlot;

    /// [`super::interval_poll::entry`].
    pub const ENTRY: FrameSlot = FrameSlot(0);
    /// The argument of a JSONP call.
    pub const SCRIPT: FrameSlot = FrameSlot(1);
    /// [`super::gzip::body`]; empty where that helps nothing.
    pub const GZIP: FrameSlot = FrameSlot(2);
    /// [`super::event_source`].
    pub const EVENT: FrameSlot = FrameSlot(3);
    /// The same, compressed.
    pub const EVENT_GZIP: FrameSlot = FrameSlot(4);
    /// [`super::multipart`].
    pub const PART: FrameSlot = FrameSlot(5);
    /// [`super::early`].
    pub const EARLY: FrameSlot = FrameSlot(6);
    /// `chunked`: [`super::raw`] without separator.
    pub const CHUNK: FrameSlot = FrameSlot(7);
    /// [`super::websocket`], by what is agreed on.
    pub const SOCKET: FrameSlot = FrameSlot(8);
    /// Compressed with a window of 32 KiB.
    pub const SOCKET_15: FrameSlot = FrameSlot(9);
    /// Compressed with a window of 512 bytes.
    pub const SOCKET_9: FrameSlot = FrameSlot(10);
    /// With its id.
    pub const META: FrameSlot = FrameSlot(11);
    /// With its id, compressed with a window of 32 KiB.
    pub const META_15: FrameSlot = FrameSlot(12);
    /// With its id, compressed with a window of 512 bytes.
    pub const META_9: FrameSlot = FrameSlot(13);
    /// From here on the slots belong to one location each.
    pub const OWN: u32 = 16;
}

/// What ends a response in chunks (RFC 9112 section 7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Why the server ends a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    /// `push_subscriber_concurrency`: another subscriber took the place.
    Conflict,
    /// The channel was deleted.
    Deleted,
    /// `push_slow_subscriber = "close"`: history has left the client behind.
    Lagging,
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
    chunk_line(&mut bytes, payload.len());
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    let end = bytes.len();
    bytes.extend_from_slice(b"\r\n");
    Frame { bytes: bytes.into(), start, end, plain: Checksum::default() }
}

/// The line before a chunk of so many bytes.
pub fn chunk_line(bytes: &mut Vec<u8>, length: usize) {
    // A vector takes everything.
    let _ = write!(bytes, "{length:x}\r\n");
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
            item: None,
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

//! The long poll without a cursor: its head has gone out before there is a message, so that browsers
//! let every tab wait and send its `Etag` back with the next request.
//!
//! White space before JSON means nothing (RFC 8259 section 2), so blanks keep the connection alive.

use http::HeaderValue;

use super::{Framing, LAST_CHUNK, Voice, chunk};
use crate::channel::{Frame, Message};

/// A response of exactly one message, whose head goes ahead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Early {
    /// `default_type`: what a message says of itself comes too late.
    pub content_type: HeaderValue,
    /// How it words messages.
    pub voice: Voice,
}

impl Framing for Early {
    fn content_type(&self) -> Option<HeaderValue> {
        Some(self.content_type.clone())
    }

    fn single(&self) -> bool {
        true
    }

    /// The message and the end of the response.
    fn encode(&self, message: &Message) -> Frame {
        let frame = chunk(&self.voice.text(message));
        Frame { bytes: [&frame.bytes[..], LAST_CHUNK].concat().into(), ..frame }
    }

    fn ping(&self) -> Frame {
        chunk(b" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::message;

    #[test]
    fn a_message_ends_the_response() {
        let content_type = HeaderValue::from_static("application/json");
        let framing = Early { content_type, voice: Voice::default() };
        let frame = framing.encode(&message(5, 0, b"{}"));
        assert_eq!(frame.bytes, "2\r\n{}\r\n0\r\n\r\n");
        assert_eq!(frame.payload(), "{}");
        let empty = framing.encode(&message(5, 0, b""));
        assert_eq!((&empty.bytes[..], empty.payload().len()), (&b"0\r\n\r\n"[..], 0));
    }
}

//! Messages as published, one after another: `chunked`, `raw`, and `stream` without templates.

use bytes::Bytes;
use http::HeaderValue;

use super::{Framing, Voice, chunk};
use crate::channel::{Frame, Message};

/// Each message in a chunk of its own, followed by a separator.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Raw {
    /// `push_raw_separator`; empty for `chunked`, where the chunk is what separates.
    pub separator: Bytes,
    /// `default_type`, without which the response is `text/plain`.
    pub content_type: Option<HeaderValue>,
    /// How it words messages.
    pub voice: Voice,
}

impl Framing for Raw {
    fn content_type(&self) -> Option<HeaderValue> {
        let default = || HeaderValue::from_static("text/plain");
        Some(self.content_type.clone().unwrap_or_else(default))
    }

    /// One chunk; none for an empty message without separator, because that would end the response.
    fn encode(&self, message: &Message) -> Frame {
        chunk(&[self.voice.text(message), self.separator.clone()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::message;

    #[test]
    fn a_message_is_a_chunk_as_published() {
        let framing = Raw::default();
        assert_eq!(framing.encode(&message(5, 0, b"~text~\0")).bytes, "7\r\n~text~\0\r\n");
        assert!(framing.encode(&message(5, 0, b"")).is_empty());
        assert!(framing.opening().is_empty() && framing.ping().is_empty());
    }

    #[test]
    fn a_separator_follows_each_message_also_an_empty_one() {
        let framing = Raw { separator: "\r\n".into(), ..Raw::default() };
        assert_eq!(framing.encode(&message(5, 0, b"a")).payload(), "a\r\n");
        assert_eq!(framing.encode(&message(5, 0, b"")).payload(), "\r\n");
    }

    #[test]
    fn the_type_is_the_default_type_or_plain_text() {
        assert_eq!(Raw::default().content_type().unwrap(), "text/plain");
        let typed = Raw { content_type: Some(HeaderValue::from_static("a/b")), ..Raw::default() };
        assert_eq!(typed.content_type().unwrap(), "a/b");
    }
}

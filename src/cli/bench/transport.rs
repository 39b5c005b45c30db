//! The ways to listen, as a client asks for them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::target::Target;

/// How subscribers listen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Server-Sent Events
    #[value(alias = "event-source")]
    Sse,
    /// WebSocket, a text or binary frame a message
    #[value(alias = "websocket")]
    Ws,
    /// One request a message; the next with If-Modified-Since and If-None-Match
    LongPoll,
    /// The same, answered at once: after 304 the next request is a second later
    IntervalPoll,
    /// An endless response, a separator after each message
    Stream,
    /// An endless response, a chunk a message (TE: chunked)
    Chunked,
    /// As stream; Nchan's name for it
    Raw,
    /// multipart/mixed, a part a message
    Multipart,
}

/// What a WebSocket client sends, and what it must be answered (RFC 6455 section 1.3).
pub(super) const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Transport {
    /// The name, as on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::Ws => "ws",
            Self::LongPoll => "long-poll",
            Self::IntervalPoll => "interval-poll",
            Self::Stream => "stream",
            Self::Chunked => "chunked",
            Self::Raw => "raw",
            Self::Multipart => "multipart",
        }
    }

    /// Whether each message is an answer of its own.
    pub(super) fn polls(self) -> bool {
        matches!(self, Self::LongPoll | Self::IntervalPoll)
    }

    fn header_lines(self) -> &'static str {
        match self {
            Self::Sse => "Accept: text/event-stream\r\n",
            Self::Ws => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            }
            Self::Chunked => "TE: chunked\r\nConnection: TE\r\n",
            Self::Multipart => "Accept: multipart/mixed\r\n",
            Self::LongPoll | Self::IntervalPoll | Self::Stream | Self::Raw => "",
        }
    }

    /// Appends a request for a channel, after the message that the lines of `cursor` name.
    pub(super) fn write_request(
        self,
        out: &mut Vec<u8>,
        target: &Target,
        channel: &str,
        headers: &str,
        cursor: &[u8],
    ) {
        target.write_request_line(out, "GET", channel);
        out.extend_from_slice(self.header_lines().as_bytes());
        if self == Self::Ws {
            out.extend_from_slice(b"Sec-WebSocket-Key: ");
            out.extend_from_slice(WEBSOCKET_KEY.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(headers.as_bytes());
        out.extend_from_slice(cursor);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(transport: Transport, headers: &str, cursor: &[u8]) -> String {
        let target: Target = "http://127.0.0.1:80/s?c={ch}".parse().unwrap();
        let mut out = Vec::new();
        transport.write_request(&mut out, &target, "b1", headers, cursor);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_way_is_asked_for() {
        let first = "GET /s?c=b1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n";
        let long_poll = request(Transport::LongPoll, "A: b\r\n", b"If-None-Match: 1\r\n");
        assert_eq!(long_poll, format!("{first}A: b\r\nIf-None-Match: 1\r\n\r\n"));
        let sse = request(Transport::Sse, "", b"");
        assert_eq!(sse, format!("{first}Accept: text/event-stream\r\n\r\n"));
        assert!(request(Transport::Chunked, "", b"").contains("\r\nTE: chunked\r\n"));
        let ws = request(Transport::Ws, "", b"");
        assert!(ws.contains("\r\nUpgrade: websocket\r\n"), "{ws}");
        assert!(ws.ends_with("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), "{ws}");
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for transport in Transport::value_variants() {
            assert_eq!(Transport::from_str(transport.name(), false), Ok(*transport));
        }
    }
}

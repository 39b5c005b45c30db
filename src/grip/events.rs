//! Events of a WebSocket as bodies of HTTP: `application/websocket-events`.
//!
//! An event is `TYPE`, or `TYPE`, a blank and the length of its content in hexadecimal; then CRLF, and
//! where there is a length the content and CRLF.

use bytes::Bytes;

/// Events that one body may have.
pub const MAX_EVENTS: usize = 4096;
/// The longest line of an event: the longest type, a blank and a length.
const MAX_LINE: usize = 32;

/// An event of a WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It is open.
    Open,
    /// A message of UTF-8.
    Text(Bytes),
    /// A message of bytes.
    Binary(Bytes),
    /// A question for a sign of life.
    Ping(Bytes),
    /// A sign of life.
    Pong(Bytes),
    /// One side has closed, with a code and a reason, if it gives them.
    Close(Option<(u16, Box<str>)>),
    /// The connection is gone.
    Disconnect,
}

/// A body that is no events.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("The events of the WebSocket cannot be understood.")]
pub struct EventsError;

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Text(_) => "TEXT",
            Self::Binary(_) => "BINARY",
            Self::Ping(_) => "PING",
            Self::Pong(_) => "PONG",
            Self::Close(_) => "CLOSE",
            Self::Disconnect => "DISCONNECT",
        }
    }

    fn content(&self) -> Option<Bytes> {
        match self {
            Self::Text(content)
            | Self::Binary(content)
            | Self::Ping(content)
            | Self::Pong(content) => Some(content.clone()),
            Self::Close(Some((code, reason))) => {
                Some([&code.to_be_bytes(), reason.as_bytes()].concat().into())
            }
            Self::Open | Self::Close(None) | Self::Disconnect => None,
        }
    }

    /// Bytes that it takes in a body, about.
    pub fn size(&self) -> usize {
        MAX_LINE + self.content().map_or(0, |content| content.len())
    }
}

/// The body of these events.
pub fn encode(events: &[Event]) -> Bytes {
    let mut body = Vec::new();
    for event in events {
        body.extend_from_slice(event.name().as_bytes());
        if let Some(content) = event.content() {
            body.extend_from_slice(format!(" {:x}\r\n", content.len()).as_bytes());
            body.extend_from_slice(&content);
        }
        body.extend_from_slice(b"\r\n");
    }
    body.into()
}

/// The events of a body; types that there are not are left out.
pub fn decode(mut body: &[u8]) -> Result<Vec<Event>, EventsError> {
    let mut events = Vec::new();
    while !body.is_empty() {
        if events.len() >= MAX_EVENTS {
            return Err(EventsError);
        }
        let end = body.iter().take(MAX_LINE).position(|byte| *byte == b'\n').ok_or(EventsError)?;
        let line = body[..end].strip_suffix(b"\r").ok_or(EventsError)?;
        let line = str::from_utf8(line).map_err(|_| EventsError)?;
        body = &body[end + 1..];
        let (name, content) = match line.split_once(' ') {
            None => (line, Bytes::new()),
            Some((name, length)) => {
                let digits = length.bytes().all(|byte| byte.is_ascii_hexdigit());
                let length = usize::from_str_radix(length, 16).ok().filter(|_| digits);
                let (content, after) =
                    length.and_then(|length| body.split_at_checked(length)).ok_or(EventsError)?;
                body = after.strip_prefix(b"\r\n").ok_or(EventsError)?;
                (name, Bytes::copy_from_slice(content))
            }
        };
        events.extend(event(name, content)?);
    }
    Ok(events)
}

fn event(name: &str, content: Bytes) -> Result<Option<Event>, EventsError> {
    Ok(Some(match name {
        "OPEN" => Event::Open,
        "TEXT" if str::from_utf8(&content).is_err() => return Err(EventsError),
        "TEXT" => Event::Text(content),
        "BINARY" => Event::Binary(content),
        "PING" => Event::Ping(content),
        "PONG" => Event::Pong(content),
        "CLOSE" if content.is_empty() => Event::Close(None),
        "CLOSE" => {
            let (code, reason) = content.split_first_chunk().ok_or(EventsError)?;
            let reason = str::from_utf8(reason).map_err(|_| EventsError)?;
            Event::Close(Some((u16::from_be_bytes(*code), reason.into())))
        }
        "DISCONNECT" => Event::Disconnect,
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_lines_with_their_content() {
        let events = [
            Event::Open,
            Event::Text("hi\r\n".into()),
            Event::Binary([0_u8; 17].to_vec().into()),
            Event::Ping(Bytes::new()),
            Event::Close(Some((1000, "bye".into()))),
            Event::Close(None),
            Event::Disconnect,
        ];
        let expected =
            b"OPEN\r\nTEXT 4\r\nhi\r\n\r\nBINARY 11\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\
                         PING 0\r\n\r\nCLOSE 5\r\n\x03\xe8bye\r\nCLOSE\r\nDISCONNECT\r\n";
        assert_eq!(encode(&events), &expected[..]);
        assert_eq!(decode(expected).unwrap(), events);
        assert_eq!(decode(b"OTHER 1\r\nx\r\nPONG\r\n").unwrap(), [Event::Pong(Bytes::new())]);
    }

    #[test]
    fn what_is_no_events_is_refused() {
        for body in [
            &b"OPEN"[..],
            b"OPEN\n",
            b"TEXT 5\r\nhi\r\n",
            b"TEXT 2\r\nhi",
            b"TEXT 2\r\nhixx",
            b"TEXT x\r\nhi\r\n",
            b"TEXT +2\r\nhi\r\n",
            b"TEXT ffffffffffffffff\r\nhi\r\n",
            b"TEXT 1\r\n\xff\r\n",
            b"CLOSE 1\r\nx\r\n",
            b"\xff\r\n",
            &[b'X'; 100],
        ] {
            assert_eq!(decode(body), Err(EventsError), "{}", body.escape_ascii());
        }
        assert!(decode(&b"OPEN\r\n".repeat(MAX_EVENTS + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_events_or_none(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(events) = decode(&body) {
                prop_assert_eq!(decode(&encode(&events)).unwrap(), events);
            }
        }
    }
}

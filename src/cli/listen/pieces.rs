//! Messages of endless responses other than event streams, and of WebSockets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header;

use super::{Item, LONGEST, cursor::id_of, ending::End, events::Events, message::Message};
use crate::{
    cli::{
        response::{Length, Malformed, Mark, delimiter, take_parts},
        wire::Answer,
    },
    config::Transport,
    framing::websocket::META_PROTOCOL,
    websocket::{Decoder, Event, Limits},
};

/// How messages follow each other.
#[derive(Debug)]
pub(super) enum Pieces {
    Events(Events),
    /// A message a chunk.
    Chunks,
    /// A message a line.
    Lines,
    /// A message a part, between these.
    Parts(Box<[u8]>),
    /// A message a frame; with `meta` behind its id and type.
    Frames {
        decoder: Box<Decoder>,
        meta: bool,
    },
}

impl Pieces {
    /// What a response to a request for this transport is made of, if it is one.
    pub(super) fn of(transport: Transport, answer: &Answer) -> Result<Self, String> {
        let content_type = answer.text(header::CONTENT_TYPE);
        let pieces = match transport {
            Transport::WebSocket => {
                let limits = Limits { max_message: LONGEST, deflate: false };
                let meta = answer.text(header::SEC_WEBSOCKET_PROTOCOL) == META_PROTOCOL;
                Some(Self::Frames { decoder: Box::new(Decoder::of_server(limits)), meta })
            }
            Transport::EventSource => content_type
                .starts_with("text/event-stream")
                .then(|| Self::Events(Events::default())),
            Transport::Chunked => matches!(answer.length, Length::Chunked).then_some(Self::Chunks),
            Transport::Multipart => delimiter(content_type).map(Self::Parts),
            _ => (!matches!(answer.length, Length::Sized(_))).then_some(Self::Lines),
        };
        let name = transport.name();
        pieces.ok_or_else(|| {
            let what = if content_type.is_empty() { "a whole response" } else { content_type };
            format!(
                "what comes is {what}, not {name}: the location does not offer that (--transport)"
            )
        })
    }

    /// Whether messages say their ids.
    pub(super) fn have_ids(&self) -> bool {
        match self {
            Self::Events(_) | Self::Parts(_) => true,
            Self::Frames { meta, .. } => *meta,
            Self::Chunks | Self::Lines => false,
        }
    }

    /// Whether messages are taken at the end of each chunk, not as soon as they are there.
    pub(super) fn by_chunk(&self) -> bool {
        matches!(self, Self::Chunks)
    }

    /// Takes what is whole, and returns its length.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mark: Mark,
        items: &mut Vec<Item>,
    ) -> Result<usize, Malformed> {
        match self {
            Self::Events(events) => events.take(bytes, items),
            Self::Chunks if mark == Mark::Chunk => {
                items.push(Item::Message(Message::new(bytes)));
                Ok(bytes.len())
            }
            Self::Chunks => Ok(0),
            Self::Lines => Ok(lines(bytes, items)),
            Self::Parts(delimiter) => parts(bytes, delimiter, items),
            Self::Frames { decoder, meta } => frames(decoder, *meta, bytes, items),
        }
    }
}

fn lines(bytes: &[u8], items: &mut Vec<Item>) -> usize {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[at..]) {
        items.push(Item::Message(Message::new(&bytes[at..at + length])));
        at += length + 1;
    }
    at
}

fn parts(bytes: &[u8], delimiter: &[u8], items: &mut Vec<Item>) -> Result<usize, Malformed> {
    let mut wrong = None;
    let (length, last) = take_parts(bytes, delimiter, |head, body| match part(head, body) {
        Some(message) => items.push(Item::Message(message)),
        None => wrong = Some(Malformed::new("a part that is not encoded as it says")),
    })?;
    if last {
        items.push(Item::End(End::Over("the response has ended".to_owned())));
    }
    wrong.map_or(Ok(length), Err)
}

fn part(head: &[u8], body: &[u8]) -> Option<Message> {
    let head = String::from_utf8_lossy(head);
    let value = |name: &str| {
        head.lines().filter_map(|line| line.split_once(':')).find_map(|(named, value)| {
            named.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let encoded = value("Content-Transfer-Encoding");
    let encoded = encoded.is_some_and(|coding| coding.eq_ignore_ascii_case("base64"));
    let body = if encoded { STANDARD.decode(body).ok()? } else { body.to_vec() };
    let date = value("Last-Modified").unwrap_or_default();
    let id = id_of(&date, &value("Etag").unwrap_or_default());
    Some(Message { id, content_type: value("Content-Type"), event: None, body })
}

fn frames(
    decoder: &mut Decoder,
    meta: bool,
    mut bytes: &[u8],
    items: &mut Vec<Item>,
) -> Result<usize, Malformed> {
    let length = bytes.len();
    let wrong = |violation: crate::websocket::Violation| Malformed::new(violation.reason);
    while let Some(event) = decoder.next(&mut bytes).map_err(wrong)? {
        match event {
            Event::Text(payload) | Event::Binary(payload) => {
                items.push(Item::Message(if meta {
                    dressed(&payload)
                } else {
                    Message::new(payload)
                }));
            }
            Event::Ping(payload) => items.push(Item::Ping(payload)),
            Event::Pong(_) => {}
            Event::Close(told) => {
                let told = told.as_ref().map(|(code, reason)| (*code, reason.as_str()));
                items.push(Item::Close(told.map_or(1000, |(code, _)| code)));
                items.push(Item::End(End::of_close(told)));
            }
        }
    }
    Ok(length)
}

/// A message behind its id and type, as Nchan writes them: lines, and an empty one.
fn dressed(payload: &[u8]) -> Message {
    let Some(end) = memchr::memmem::find(payload, b"\n\n").filter(|_| payload.starts_with(b"id: "))
    else {
        return Message::new(payload);
    };
    let mut message = Message::new(&payload[end + 2..]);
    for line in String::from_utf8_lossy(&payload[..end]).lines() {
        match line.split_once(": ") {
            Some(("id", id)) => message.id = Some(id.to_owned()),
            Some(("content-type", content_type)) => {
                message.content_type = Some(content_type.to_owned());
            }
            _ => {}
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(pieces: &mut Pieces, bytes: &[u8], mark: Mark) -> (Vec<Item>, usize) {
        let mut items = Vec::new();
        let length = pieces.take(bytes, mark, &mut items).unwrap();
        (items, length)
    }

    fn bodies(items: &[Item]) -> Vec<&[u8]> {
        let messages = items.iter().filter_map(|item| match item {
            Item::Message(message) => Some(&message.body[..]),
            _ => None,
        });
        messages.collect()
    }

    #[test]
    fn lines_and_chunks_are_messages_when_they_are_whole() {
        let (items, length) = took(&mut Pieces::Lines, b"one\n\ntwo\nthr", Mark::Nothing);
        assert_eq!((bodies(&items), length), (vec![&b"one"[..], b"", b"two"], 9));
        let (items, length) = took(&mut Pieces::Chunks, b"a\nb", Mark::Nothing);
        assert_eq!((bodies(&items), length), (Vec::new(), 0));
        let (items, length) = took(&mut Pieces::Chunks, b"a\nb", Mark::Chunk);
        assert_eq!((bodies(&items), length), (vec![&b"a\nb"[..]], 3));
    }

    #[test]
    fn parts_have_ids_types_and_encodings() {
        let body = b"--B\r\nLast-Modified: Thu, 01 Jan 1970 00:00:05 GMT\r\nEtag: 3\r\nContent-Type: a/b\r\n\r\n\
                     one\r\n--B\r\nContent-Transfer-Encoding: base64\r\n\r\n/wA=\r\n--B--\r\n";
        let mut pieces = Pieces::Parts(b"\r\n--B".as_slice().into());
        let (items, _) = took(&mut pieces, body, Mark::Nothing);
        let first = Message {
            id: Some("5:3".into()),
            content_type: Some("a/b".into()),
            ..Message::new("one")
        };
        assert_eq!(items[..2], [first, Message::new(b"\xff\0")].map(Item::Message));
        assert!(matches!(items[2..], [Item::End(End::Over(_))]));
        let wrong = b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\n*\r\n--B";
        pieces.take(wrong, Mark::Nothing, &mut Vec::new()).unwrap_err();
    }

    #[test]
    fn frames_may_say_ids_and_types() {
        let limits = Limits { max_message: LONGEST, deflate: false };
        let mut pieces =
            Pieces::Frames { decoder: Box::new(Decoder::of_server(limits)), meta: true };
        let payload = b"id: 5:3\ncontent-type: a/b\n\none\n\ntwo";
        let bytes =
            [&[0x81, 35][..], payload, b"\x82\x03\xff\n\n\x89\x01p\x88\x02\x11\x3a"].concat();
        assert_eq!(payload.len(), 35);
        let (items, length) = took(&mut pieces, &bytes, Mark::Nothing);
        let first = Message {
            id: Some("5:3".into()),
            content_type: Some("a/b".into()),
            ..Message::new("one\n\ntwo")
        };
        let expected = [
            Item::Message(first),
            Item::Message(Message::new(b"\xff\n\n")),
            Item::Ping("p".into()),
            Item::Close(4410),
            Item::End(End::Deleted),
        ];
        assert_eq!((&items[..], length), (&expected[..], bytes.len()));
        pieces.take(b"\x81\x80", Mark::Nothing, &mut Vec::new()).unwrap();
    }
}

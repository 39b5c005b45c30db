//! Messages to WebSockets: a frame each (RFC 6455), compressed where the client takes it (RFC 7692).

use http::HeaderValue;

use super::{Farewell, Framing, Voice, compressions, slot, voice::ending};
use crate::{
    channel::{ChannelId, Frame, FrameSlot, Message},
    dialect::Close,
    websocket::{Opcode, Window, close, compress, encode},
};

/// The framing of `websocket`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebSocket {
    /// What was agreed on.
    pub terms: Terms,
    /// How it words messages and reasons.
    pub voice: Voice,
}

/// What a client and a location agree on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// What a message looks like.
    pub dress: Dress,
    /// The window for compressing, if messages may be compressed.
    pub deflate: Option<Window>,
}

/// What a message looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dress {
    /// As published.
    Plain,
    /// Behind its id and type: Nchan's subprotocol `ws+meta.nchan`.
    Meta,
}

/// The name of [`Dress::Meta`] among subprotocols.
pub const META_PROTOCOL: &str = "ws+meta.nchan";

/// Shorter messages go out as they are: compressing takes longer than sending what it saves.
const WORTHWHILE: usize = 64;

/// The type of a message that is no text.
const BINARY: &[u8] = b"application/octet-stream";

impl Terms {
    /// All that there are, and where messages keep the frames of each.
    pub const ALL: [(Self, FrameSlot); 6] = [
        (Self { dress: Dress::Plain, deflate: None }, slot::SOCKET),
        (Self { dress: Dress::Plain, deflate: Some(Window::Fifteen) }, slot::SOCKET_15),
        (Self { dress: Dress::Plain, deflate: Some(Window::Nine) }, slot::SOCKET_9),
        (Self { dress: Dress::Meta, deflate: None }, slot::META),
        (Self { dress: Dress::Meta, deflate: Some(Window::Fifteen) }, slot::META_15),
        (Self { dress: Dress::Meta, deflate: Some(Window::Nine) }, slot::META_9),
    ];
}

impl WebSocket {
    /// The payload of a message.
    fn payload(&self, message: &Message) -> bytes::Bytes {
        let text = self.voice.text(message);
        match self.terms.dress {
            Dress::Plain => text,
            Dress::Meta => {
                let mut payload = format!("id: {}\n", message.id()).into_bytes();
                if let Some(content_type) = message.content_type() {
                    payload.extend_from_slice(b"content-type: ");
                    payload.extend_from_slice(content_type);
                    payload.push(b'\n');
                }
                payload.push(b'\n');
                payload.extend_from_slice(&text);
                payload.into()
            }
        }
    }
}

/// A compressed payload, where that is smaller.
fn packed(payload: &[u8], window: Window) -> Option<Vec<u8>> {
    compressions::count();
    compress(payload, window)
}

impl WebSocket {
    /// A frame, compressed if that was agreed on, is worth the while, and makes it smaller.
    fn frame(&self, opcode: Opcode, payload: &[u8]) -> bytes::Bytes {
        let window = self.terms.deflate.filter(|_| payload.len() >= WORTHWHILE);
        match window.and_then(|window| packed(payload, window)) {
            Some(packed) => encode(opcode, true, &packed),
            None => encode(opcode, false, payload),
        }
    }
}

impl Framing for WebSocket {
    fn content_type(&self) -> Option<HeaderValue> {
        None
    }

    /// One frame: of text, unless the message says that it is binary or is no UTF-8, which a text
    /// frame must be (RFC 6455 section 5.6).
    fn encode(&self, message: &Message) -> Frame {
        let payload = self.payload(message);
        let binary = message.content_type().is_some_and(|name| name.eq_ignore_ascii_case(BINARY));
        let text = !binary && str::from_utf8(&payload).is_ok();
        let opcode = if text { Opcode::Text } else { Opcode::Binary };
        Frame::bare(self.frame(opcode, &payload))
    }

    fn ping(&self) -> Frame {
        Frame::bare(encode(Opcode::Ping, false, b""))
    }

    fn deleted(&self, channel: &ChannelId) -> Frame {
        let notice = self.voice.deleted(channel);
        notice.map_or_else(Frame::default, |text| Frame::bare(self.frame(Opcode::Text, &text)))
    }

    /// A closing frame (RFC 6455 section 5.5.1) with the dialect's code and reason.
    fn closing(&self, why: Farewell) -> Frame {
        let Close { code, reason } = ending(&self.voice.dialect.closes, why);
        Frame::bare(match code {
            Some(code) => close(code, reason),
            None => encode(Opcode::Close, false, b""),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        dialect::{NCHAN, PUSH_STREAM},
        framing::tests::{drafted, message},
    };

    fn framing(terms: Terms) -> WebSocket {
        WebSocket { terms, voice: Voice::default() }
    }

    #[test]
    fn text_is_text_and_what_is_none_is_binary() {
        let plain = framing(Terms::ALL[0].0);
        assert_eq!(plain.encode(&message(5, 0, b"hi")).bytes, &b"\x81\x02hi"[..]);
        assert_eq!(plain.encode(&message(5, 0, b"")).bytes, &b"\x81\x00"[..]);
        assert_eq!(plain.encode(&message(5, 0, b"\xff")).bytes, &b"\x82\x01\xff"[..]);
        let binary = drafted((5, 0), b"hi", Some("Application/octet-stream"), None);
        assert_eq!(plain.encode(&binary).bytes, &b"\x82\x02hi"[..]);
    }

    #[test]
    fn terms_have_slots_of_their_own() {
        let slots: HashSet<u32> = Terms::ALL.iter().map(|(_, slot)| slot.0).collect();
        assert_eq!(slots.len(), Terms::ALL.len());
        // Nor may they be those of other framings.
        let others = [slot::ENTRY, slot::SCRIPT, slot::GZIP, slot::EVENT, slot::EVENT_GZIP];
        let others = others.into_iter().chain([slot::PART, slot::EARLY, slot::CHUNK]);
        assert!(others.map(|slot| slot.0).all(|number| !slots.contains(&number)));
        assert!(slots.iter().all(|number| *number < slot::OWN));
        // Each combination is there, once.
        let terms: HashSet<String> = Terms::ALL.iter().map(|(it, _)| format!("{it:?}")).collect();
        assert_eq!(terms.len(), 2 * 3);
    }

    #[test]
    fn a_long_message_is_compressed_where_that_was_agreed_on() {
        let long = message(5, 0, &[b'a'; 5000]);
        for (terms, _) in Terms::ALL {
            let frame = framing(terms).encode(&long).bytes;
            let compressed = terms.deflate.is_some();
            assert_eq!(frame[0], if compressed { 0xc1 } else { 0x81 });
            assert_eq!(frame.len() < 100, compressed);
        }
    }

    #[test]
    fn each_dialect_closes_in_its_way() {
        let said = |dialect| {
            let terms = Terms::ALL[0].0;
            let socket = WebSocket { terms, voice: Voice { dialect, template: None } };
            let channel = ChannelId::new(b"c");
            [socket.deleted(&channel), socket.closing(Farewell::Deleted)].map(|frame| frame.bytes)
        };
        assert_eq!(said(&NCHAN), [&b""[..], b"\x88\x0a\x03\xe9410 Gone"]);
        assert_eq!(said(&PUSH_STREAM), [&b"\x81\x0fChannel deleted"[..], b"\x88\x00"]);
    }
}

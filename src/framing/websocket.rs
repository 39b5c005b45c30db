//! Messages to WebSockets: a frame each (RFC 6455), compressed where the client takes it (RFC 7692).

use http::HeaderValue;

use super::{Farewell, Framing, slot};
use crate::{
    channel::{Frame, FrameSlot, Message},
    websocket::{Opcode, Window, close, code, compress, encode},
};

/// The framing of `websocket`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WebSocket {
    /// What a message looks like.
    pub dress: Dress,
    /// The window for compressing, if that was agreed on.
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

/// The type of a message that is no text.
const BINARY: &[u8] = b"application/octet-stream";

impl WebSocket {
    /// Every variant, and where messages keep its frames.
    pub const ALL: [(Self, FrameSlot); 6] = [
        (Self { dress: Dress::Plain, deflate: None }, slot::SOCKET),
        (Self { dress: Dress::Plain, deflate: Some(Window::Fifteen) }, slot::SOCKET_15),
        (Self { dress: Dress::Plain, deflate: Some(Window::Nine) }, slot::SOCKET_9),
        (Self { dress: Dress::Meta, deflate: None }, slot::META),
        (Self { dress: Dress::Meta, deflate: Some(Window::Fifteen) }, slot::META_15),
        (Self { dress: Dress::Meta, deflate: Some(Window::Nine) }, slot::META_9),
    ];

    /// The payload of a message.
    fn payload(self, message: &Message) -> bytes::Bytes {
        match self.dress {
            Dress::Plain => message.body().clone(),
            Dress::Meta => {
                let mut payload = format!("id: {}\n", message.id()).into_bytes();
                if let Some(content_type) = message.content_type() {
                    payload.extend_from_slice(b"content-type: ");
                    payload.extend_from_slice(content_type);
                    payload.push(b'\n');
                }
                payload.push(b'\n');
                payload.extend_from_slice(message.body());
                payload.into()
            }
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
        match self.deflate.and_then(|window| compress(&payload, window)) {
            Some(packed) => Frame::bare(encode(opcode, true, &packed)),
            None => Frame::bare(encode(opcode, false, &payload)),
        }
    }

    fn ping(&self) -> Frame {
        Frame::bare(encode(Opcode::Ping, false, b""))
    }

    /// A closing frame (RFC 6455 section 7.4.1 and its registry).
    fn closing(&self, why: Farewell) -> Frame {
        Frame::bare(match why {
            Farewell::Conflict => close(code::POLICY, "Another subscriber has the channel."),
            Farewell::Deleted => close(code::GOING_AWAY, "The channel was deleted."),
            Farewell::Lagging => close(code::POLICY, "The client is too slow."),
            Farewell::Shutdown => close(code::SERVICE_RESTART, "The server stops."),
            Farewell::Timeout => close(code::NORMAL, "The time is over."),
        })
    }
}

//! The WebSocket protocol of the server's side: RFC 6455, with permessage-deflate (RFC 7692). Of a
//! client's there is what it takes to listen: a decoder of a server's frames, and masked frames.
//!
//! Pure: heads, bytes and payloads in, headers, events and frames out. Who reads and writes is not
//! here. A connection between two messages needs nothing of this module: a [`Decoder`] is made for
//! the bytes at hand and dropped when it [is idle](Decoder::is_idle), and neither side's compressor
//! remembers a message after its end. What must hold whatever a client sends: no panic, and never
//! more memory than the bytes that came and, for a compressed message, the limit once more.

mod decoder;
mod deflate;
mod extension;
mod frame;
mod handshake;
mod mask;
mod message;
mod violation;

pub use self::{
    decoder::{Decoder, Event, Limits},
    deflate::{InflateError, Window, compress, inflate},
    frame::{Opcode, close, code, encode, encode_masked},
    handshake::{Accepted, HandshakeError, Terms, accept, accept_key, is_requested},
    mask::mask,
    violation::Violation,
};

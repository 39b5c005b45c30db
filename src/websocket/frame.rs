//! Frames as they are sent (RFC 6455 section 5): whole, each a message of its own; those of a server
//! unmasked.

use bytes::Bytes;

use super::mask;

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub(super) const MAX_CONTROL: usize = 125;
/// The last fragment of a message.
pub(super) const FIN: u8 = 0x80;
/// The message is compressed (RFC 7692 section 6).
pub(super) const RSV1: u8 = 0x40;
/// Bits that no extension gave a meaning.
pub(super) const RESERVED: u8 = 0x30;
/// The payload is masked.
pub(super) const MASKED: u8 = 0x80;
/// The length is in the two bytes that follow, or in the eight.
pub(super) const LENGTH_16: u8 = 126;
pub(super) const LENGTH_64: u8 = 127;
/// The bytes of the longest unmasked header.
const MAX_HEAD: usize = 10;

/// What a frame is (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opcode {
    /// A further part of the message that is under way.
    Continuation = 0,
    /// A message of UTF-8, or its first part.
    Text = 1,
    /// A message of bytes, or its first part.
    Binary = 2,
    /// The last frame of either side.
    Close = 8,
    /// Asks for a [`Pong`](Self::Pong) of the same payload.
    Ping = 9,
    /// The answer to a ping, or a sign of life nobody asked for.
    Pong = 10,
}

impl Opcode {
    /// The meaning of a header's low four bits; `None`: reserved.
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        let known =
            [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        known.into_iter().find(|opcode| *opcode as u8 == bits)
    }

    /// Whether the frame stands for itself: short, unfragmented, allowed between fragments.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why a connection is closed: the codes of RFC 6455 section 7.4.1 and of IANA's registry.
pub mod code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server goes down, or the page is left.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// The peer sent a kind of data that is not taken.
    pub const UNSUPPORTED: u16 = 1003;
    /// The data does not fit the message: text that is not UTF-8, deflate that does not inflate.
    pub const INVALID_PAYLOAD: u16 = 1007;
    /// A rule that no other code fits.
    pub const POLICY: u16 = 1008;
    /// The message is too large to process.
    pub const TOO_LARGE: u16 = 1009;
    /// The server cannot go on.
    pub const INTERNAL: u16 = 1011;
    /// The server restarts; the client may come back after a random delay.
    pub const SERVICE_RESTART: u16 = 1012;
    /// The server is overloaded.
    pub const TRY_AGAIN: u16 = 1013;

    /// Whether a closing frame may carry `code`: those that an endpoint only reports to its own
    /// application may not, nor those that nobody has defined (RFC 6455 section 7.4.2).
    pub(crate) fn is_sendable(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// A whole message or control frame: FIN set, no mask, the shortest form of the length.
///
/// `compressed` says that `payload` is what [`compress`](super::compress) made. The payload of a
/// control frame is at most 125 bytes; what is beyond them is left out.
pub fn encode(opcode: Opcode, compressed: bool, payload: &[u8]) -> Bytes {
    let payload = match payload.get(..MAX_CONTROL) {
        Some(most) if opcode.is_control() => most,
        _ => payload,
    };
    let mut frame = Vec::with_capacity(MAX_HEAD + payload.len());
    frame.push(FIN | if compressed { RSV1 } else { 0 } | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < LENGTH_16 => frame.push(length),
        (_, Ok(length)) => {
            frame.push(LENGTH_16);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(LENGTH_64);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

/// As [`encode`], from a client: masked with a key that only this frame should have.
pub fn encode_masked(opcode: Opcode, payload: &[u8], mut key: [u8; 4]) -> Bytes {
    let plain = encode(opcode, false, payload);
    let sent = if opcode.is_control() { payload.len().min(MAX_CONTROL) } else { payload.len() };
    let (head, payload) = plain.split_at(plain.len() - sent);
    let mut frame = [head, &key, payload].concat();
    frame[1] |= MASKED;
    mask(&mut frame[head.len() + key.len()..], &mut key);
    frame.into()
}

/// A closing frame; `reason` is cut to what fits, 123 bytes, between two characters.
pub fn close(code: u16, reason: &str) -> Bytes {
    let code = code.to_be_bytes();
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL - code.len())];
    encode(Opcode::Close, false, &[&code, reason.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unmasked_examples_of_rfc_6455_are_written() {
        assert_eq!(encode(Opcode::Text, false, b"Hello")[..], *b"\x81\x05Hello");
        assert_eq!(encode(Opcode::Ping, false, b"Hello")[..], *b"\x89\x05Hello");
        let binary = encode(Opcode::Binary, false, &[7; 256]);
        assert_eq!(binary[..4], *b"\x82\x7e\x01\x00");
        assert_eq!(binary[4..], [7; 256]);
        let binary = encode(Opcode::Binary, false, &vec![7; 65536]);
        assert_eq!(binary[..10], *b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
        assert_eq!(binary[10..], vec![7; 65536]);
    }

    #[test]
    fn the_compressed_hello_of_rfc_7692_is_written() {
        let payload = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        let frame = encode(Opcode::Text, true, payload);
        assert_eq!(frame[..], *b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
    }

    #[test]
    fn the_length_takes_its_shortest_form() {
        let head = |length: usize| {
            let frame = encode(Opcode::Binary, false, &vec![0; length]);
            frame[..frame.len() - length].to_vec()
        };
        assert_eq!(head(0), b"\x82\x00");
        assert_eq!(head(125), b"\x82\x7d");
        assert_eq!(head(126), b"\x82\x7e\x00\x7e");
        assert_eq!(head(65535), b"\x82\x7e\xff\xff");
        assert_eq!(head(65536), b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
    }

    #[test]
    fn a_control_frame_is_never_longer_than_it_may_be() {
        assert_eq!(encode(Opcode::Pong, false, &[1; 126])[..2], *b"\x8a\x7d");
        assert_eq!(encode(Opcode::Pong, false, &[1; 126]).len(), 2 + 125);
        assert_eq!(encode(Opcode::Pong, false, &[1; 125]).len(), 2 + 125);
    }

    #[test]
    fn the_masked_example_of_rfc_6455_is_written() {
        let frame = encode_masked(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(frame[..], *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        let frame = encode_masked(Opcode::Pong, &[1; 200], [0; 4]);
        assert_eq!((&frame[..2], frame.len()), (&b"\x8a\xfd"[..], 2 + 4 + 125));
    }

    #[test]
    fn a_closing_frame_carries_code_and_reason() {
        assert_eq!(close(code::GOING_AWAY, "410 Gone")[..], *b"\x88\x0a\x03\xe9410 Gone");
        assert_eq!(close(code::NORMAL, "")[..], *b"\x88\x02\x03\xe8");
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let frame = close(code::POLICY, &"\u{20ac}".repeat(50));
        assert_eq!(frame[..4], *b"\x88\x7d\x03\xf0");
        assert_eq!(str::from_utf8(&frame[4..]).unwrap(), "\u{20ac}".repeat(41));
        let frame = close(code::POLICY, &format!("a{}", "\u{20ac}".repeat(50)));
        assert_eq!(str::from_utf8(&frame[4..]).unwrap(), format!("a{}", "\u{20ac}".repeat(40)));
        assert_eq!(frame[..2], *b"\x88\x7b");
    }

    #[test]
    fn codes_that_only_an_endpoint_itself_may_say_are_not_sendable() {
        let bad = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX];
        assert!(!bad.into_iter().any(code::is_sendable));
        let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
        assert!(good.into_iter().chain([3000, 3999, 4000, 4999]).all(code::is_sendable));
    }
}

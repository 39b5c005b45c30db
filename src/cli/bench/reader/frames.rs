//! Frames of a WebSocket server (RFC 6455 section 5.2): whole messages, unmasked, no extension.

use super::{Broken, Hear, LONGEST};

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;
const RESERVED: u8 = 0x70;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The payload of a control frame, in bytes.
const CONTROL: usize = 125;

/// Tells whole frames and returns their length.
pub(super) fn take(bytes: &[u8], hear: &mut impl Hear) -> Result<usize, Broken> {
    let mut at = 0;
    while let Some(Frame { first, payload, length }) = frame(&bytes[at..])? {
        at += length;
        match first & !FIN {
            TEXT | BINARY => hear.message(payload),
            PING => hear.ping(payload),
            PONG => {}
            CLOSE => return Err(closed(payload)),
            other => return Err(Broken::framing(format!("a frame of kind {other}"))),
        }
    }
    Ok(at)
}

struct Frame<'a> {
    first: u8,
    payload: &'a [u8],
    length: usize,
}

/// The frame at the beginning of what has come, once it is whole.
fn frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, Broken> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & RESERVED != 0 || second & MASK != 0 || first & FIN == 0 {
        let what = format!("a frame that begins with {first:#04x} {second:#04x}");
        return Err(Broken::framing(what));
    }
    let (extended, wide) = match second {
        126 => (rest.get(..2).map(number), 2),
        127 => (rest.get(..8).map(number), 8),
        length => (Some(u64::from(*length)), 0),
    };
    let Some(length) = extended else { return Ok(None) };
    let least = [0, 126, 1 << 16][usize::from(wide > 0) + usize::from(wide > 2)];
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= LONGEST) else {
        return Err(Broken::framing("a frame that is too long"));
    };
    let control = first & 8 != 0;
    if length < least || control && length > CONTROL {
        return Err(Broken::framing(format!("a length of {length} in {wide} more bytes")));
    }
    let start = 2 + wide;
    let frame = |payload| Frame { first: *first, payload, length: start + length };
    Ok(bytes.get(start..start + length).map(frame))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn closed(payload: &[u8]) -> Broken {
    match payload.split_at_checked(2) {
        Some((code, reason)) => {
            let reason = String::from_utf8_lossy(reason);
            Broken::Closed(format!("close frame {} {reason}", number(code)))
        }
        None => Broken::Closed("close frame".to_owned()),
    }
}

//! Reading what a client sends, or a server (RFC 6455 sections 5 and 7.1, RFC 7692 section 7.2.2).
//!
//! What is wrong is found at the first byte that shows it, and an announced length is held against
//! the limit before anything is made room for: buffers grow with the bytes that really come. How
//! these are cut makes no difference to what is read.

use bytes::Bytes;

use super::{
    Opcode, Violation, code,
    frame::{FIN, LENGTH_16, LENGTH_64, MASKED, MAX_CONTROL, RESERVED, RSV1},
    message::{Message, exact, extend},
    violation::{
        COMPRESSED, FRAGMENTED_CONTROL, INVALID_CODE, LONG_CONTROL, MASKED_BY_SERVER, NEW_MESSAGE,
        NO_CODE, NO_LENGTH, NO_MESSAGE, NOT_MASKED, NOT_UTF_8, RESERVED_BITS, RESERVED_OPCODE,
        TOO_LARGE,
    },
};

/// The bytes of the longest header: two, the length, the key.
const MAX_HEAD: usize = 2 + 8 + KEY_LENGTH;
/// The bytes of a key.
const KEY_LENGTH: usize = 4;

/// What the other side may send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a message, all its fragments together and inflated: `push_websocket_max_message`.
    pub max_message: usize,
    /// Whether permessage-deflate was agreed on.
    pub deflate: bool,
}

/// What the other side has sent. Payloads are unmasked and inflated, and take no more memory than they
/// have bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A message of text, which is UTF-8.
    Text(Bytes),
    /// A message of bytes.
    Binary(Bytes),
    /// A ping: its payload is to be sent back in a pong.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The last frame of the other side, with code and reason if it gives them; nothing after it is
    /// read.
    Close(Option<(u16, String)>),
}

/// Reads frames from bytes that come in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// It is a client that sends: its frames are masked, and a server's are not.
    masked: bool,
    stage: Stage,
    /// The message whose last fragment has not ended; control frames may come in between.
    message: Option<Message>,
}

#[derive(Debug)]
enum Stage {
    /// Within a header, or before it.
    Head(Head),
    /// Within a payload.
    Payload(Frame),
    /// After a closing frame or a violation.
    Over,
}

#[derive(Debug, Default)]
struct Head {
    bytes: [u8; MAX_HEAD],
    filled: usize,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    last: bool,
    /// Bytes of the payload that have not come.
    left: usize,
    /// Turned to the next byte of the payload.
    key: [u8; 4],
    /// The payload of a control frame; others add to the message.
    control: Vec<u8>,
}

impl Decoder {
    /// Before the first frame of a client.
    pub fn new(limits: Limits) -> Self {
        Self { limits, masked: true, stage: Stage::Head(Head::default()), message: None }
    }

    /// Before the first frame of a server.
    pub fn of_server(limits: Limits) -> Self {
        Self { masked: false, ..Self::new(limits) }
    }

    /// Takes bytes off the front of `input` until something is complete; `None`: all are taken, and
    /// more are needed. After [`Event::Close`] and after a violation the rest is thrown away.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        let outcome = self.read(input);
        if matches!(outcome, Err(_) | Ok(Some(Event::Close(_)))) {
            self.stage = Stage::Over;
            self.message = None;
        }
        outcome
    }

    /// Whether it stands between two messages and has taken nothing of the next: a new one would
    /// go on just as well.
    pub fn is_idle(&self) -> bool {
        matches!(&self.stage, Stage::Head(head) if head.filled == 0) && self.message.is_none()
    }

    /// The bytes of memory that it has for what has come of a message.
    pub fn buffered(&self) -> usize {
        let message = self.message.as_ref().map_or(0, Message::buffered);
        message + size_of::<Self>()
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        loop {
            match &mut self.stage {
                Stage::Over => {
                    *input = &[];
                    return Ok(None);
                }
                Stage::Head(head) => {
                    head.fill(input, if self.masked { KEY_LENGTH } else { 0 });
                    let (bytes, filled) = (head.bytes, head.filled);
                    let Some(frame) = self.check(&bytes[..filled])? else { return Ok(None) };
                    self.begin(frame, bytes[0] & RSV1 != 0);
                }
                Stage::Payload(frame) => {
                    frame.fill(input, &mut self.message)?;
                    if frame.left > 0 {
                        return Ok(None);
                    }
                    if let Some(event) = self.end()? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Judges as much of a header as there is, byte after byte; `None`: it is not complete.
    fn check(&self, head: &[u8]) -> Result<Option<Frame>, Violation> {
        let Some((&first, head)) = head.split_first() else { return Ok(None) };
        let opcode = self.check_first(first)?;
        let Some((&second, head)) = head.split_first() else { return Ok(None) };
        if (second & MASKED != 0) != self.masked {
            return Err(if self.masked { NOT_MASKED } else { MASKED_BY_SERVER });
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(LONG_CONTROL);
        }
        let length = match short {
            LENGTH_16 => {
                head.split_first_chunk().map(|(&long, key)| (u16::from_be_bytes(long).into(), key))
            }
            LENGTH_64 => {
                head.split_first_chunk().map(|(&long, key)| (u64::from_be_bytes(long), key))
            }
            short => Some((short.into(), head)),
        };
        let Some((length, key)) = length else { return Ok(None) };
        let left = self.check_length(opcode, first & RSV1 != 0, length)?;
        // A key of zeros leaves everything as it is.
        let key = if self.masked { key.first_chunk().copied() } else { Some([0; KEY_LENGTH]) };
        let Some(key) = key else { return Ok(None) };
        Ok(Some(Frame { opcode, last: first & FIN != 0, left, key, control: Vec::new() }))
    }

    /// Judges the first byte of a header.
    fn check_first(&self, first: u8) -> Result<Opcode, Violation> {
        if first & RESERVED != 0 {
            return Err(RESERVED_BITS);
        }
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(RESERVED_OPCODE)?;
        let starts = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & RSV1 != 0 && !(self.limits.deflate && starts) {
            return Err(COMPRESSED);
        }
        match opcode {
            Opcode::Continuation if self.message.is_none() => Err(NO_MESSAGE),
            Opcode::Text | Opcode::Binary if self.message.is_some() => Err(NEW_MESSAGE),
            control if control.is_control() && first & FIN == 0 => Err(FRAGMENTED_CONTROL),
            allowed => Ok(allowed),
        }
    }

    /// Holds an announced length against the limit, with what there is of the message.
    fn check_length(&self, opcode: Opcode, rsv1: bool, length: u64) -> Result<usize, Violation> {
        if length >> 63 != 0 {
            return Err(NO_LENGTH);
        }
        let length = usize::try_from(length).map_err(|_| TOO_LARGE)?;
        if opcode.is_control() {
            return Ok(length);
        }
        let limit = self.limits.max_message;
        let room = match &self.message {
            Some(message) => message.room(limit),
            None => Message::new(opcode == Opcode::Text, rsv1).room(limit),
        };
        if length > room { Err(TOO_LARGE) } else { Ok(length) }
    }

    /// After a header.
    fn begin(&mut self, frame: Frame, rsv1: bool) {
        if matches!(frame.opcode, Opcode::Text | Opcode::Binary) {
            self.message = Some(Message::new(frame.opcode == Opcode::Text, rsv1));
        }
        self.stage = Stage::Payload(frame);
    }

    /// After a payload; `None`: the message goes on.
    fn end(&mut self) -> Result<Option<Event>, Violation> {
        let ended = std::mem::replace(&mut self.stage, Stage::Head(Head::default()));
        let Stage::Payload(frame) = ended else { return Ok(None) };
        Ok(match frame.opcode {
            Opcode::Close => Some(Event::Close(reason(&frame.control)?)),
            Opcode::Ping => Some(Event::Ping(exact(frame.control))),
            Opcode::Pong => Some(Event::Pong(exact(frame.control))),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let message = if frame.last { self.message.take() } else { None };
                message.map(|message| message.end(self.limits.max_message)).transpose()?
            }
        })
    }
}

impl Head {
    /// Takes bytes until the header, with a key of so many, is complete or there are no more.
    fn fill(&mut self, input: &mut &[u8], key: usize) {
        loop {
            let whole = match self.bytes[1] & !MASKED {
                _ if self.filled < 2 => 2,
                LENGTH_16 => 2 + 2 + key,
                LENGTH_64 => 2 + 8 + key,
                _ => 2 + key,
            };
            let count = input.len().min(whole - self.filled);
            if count == 0 {
                return;
            }
            let (taken, rest) = input.split_at(count);
            self.bytes[self.filled..self.filled + count].copy_from_slice(taken);
            self.filled += count;
            *input = rest;
        }
    }
}

impl Frame {
    /// Takes what there is of the payload and unmasks it.
    fn fill(&mut self, input: &mut &[u8], message: &mut Option<Message>) -> Result<(), Violation> {
        let (taken, rest) = input.split_at(self.left.min(input.len()));
        *input = rest;
        self.left -= taken.len();
        match message {
            Some(message) if !self.opcode.is_control() => message.extend(taken, &mut self.key),
            _ => {
                extend(&mut self.control, taken, &mut self.key);
                Ok(())
            }
        }
    }
}

/// What a closing frame says (RFC 6455 section 5.5.1).
fn reason(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(NO_CODE) };
    };
    let code = u16::from_be_bytes(code);
    if !code::is_sendable(code) {
        return Err(INVALID_CODE);
    }
    let reason = str::from_utf8(reason).map_err(|_| NOT_UTF_8)?;
    Ok(Some((code, reason.to_owned())))
}

#[cfg(test)]
mod tests;

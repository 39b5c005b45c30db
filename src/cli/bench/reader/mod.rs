//! The bytes that a server sends to one connection, taken apart as strictly as the standards allow.
//!
//! A reader keeps nothing but what is not whole yet: while a connection waits, that is nothing.

mod events;
mod frames;
mod judge;

use std::mem;

use super::{faults::Fault, transport::Transport};
use crate::cli::response::{Body, Head, Length, Malformed, Mark, take_parts};

/// What a connection is used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// A subscriber.
    Listen(Transport),
    /// Requests that are answered, one after the other.
    Ask,
}

impl Use {
    /// Whether a response ends, and another request may follow.
    fn ends(self) -> bool {
        match self {
            Self::Listen(transport) => transport.polls(),
            Self::Ask => true,
        }
    }
}

/// Who is told what comes.
pub(super) trait Hear {
    /// A subscriber is on, or an answer begins.
    fn opened(&mut self);
    /// A message, or the body of an answer.
    fn message(&mut self, bytes: &[u8]);
    /// A response is over; `cursor` has the header lines that ask for what comes after it.
    fn answered(&mut self, cursor: &[u8]);
    /// A response is over that has no message.
    fn nothing(&mut self);
    /// A WebSocket ping, which wants its bytes back.
    fn ping(&mut self, bytes: &[u8]);
}

/// Why a connection is of no more use.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Broken {
    /// What comes is not of the protocol.
    #[error("not of the protocol: {0}")]
    Framing(String),
    /// The server does not want it.
    #[error("refused: {0}")]
    Refused(String),
    /// The server said goodbye.
    #[error("{0}")]
    Closed(String),
}

impl Broken {
    /// What kind of fault it is.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Framing(_) => Fault::Framing,
            Self::Refused(_) => Fault::Refused,
            Self::Closed(_) => Fault::Closed,
        }
    }

    fn framing(what: impl Into<String>) -> Self {
        Self::Framing(what.into())
    }
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Self {
        Self::Framing(malformed.0)
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    stage: Stage,
    /// The beginning of a head, of a frame or of a message.
    rest: Vec<u8>,
    /// Header lines of the next request, or the boundary of parts.
    kept: Option<Box<[u8]>>,
    /// The server ends the connection with this answer.
    last: bool,
    /// It has no message (304).
    nothing: bool,
}

#[derive(Debug)]
enum Stage {
    /// A head is to come.
    Head,
    Body(Body),
    Frames,
}

/// A message and what is around it; nothing that is not whole may be longer.
const LONGEST: usize = 4 << 20;
/// What separates messages of an endless response.
const SEPARATOR: u8 = b'\n';

impl Reader {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Head, rest: Vec::new(), kept: None, last: false, nothing: false }
    }

    /// Takes what has come, and tells what is whole.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        used: Use,
        hear: &mut impl Hear,
    ) -> Result<(), Broken> {
        let mut bytes = bytes;
        let joined;
        if matches!(self.stage, Stage::Head) {
            if !self.rest.is_empty() {
                self.rest.extend_from_slice(bytes);
                joined = mem::take(&mut self.rest);
                bytes = &joined;
            }
            let Some((answer, length)) = Head::parse(bytes)? else {
                return self.keep(bytes);
            };
            self.open(&answer, used)?;
            hear.opened();
            bytes = &bytes[length..];
        }
        self.body(bytes, used, hear)
    }

    /// Whether the server has said that it ends the connection with the latest answer.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Whether a head is to come of which there is no byte yet.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head) && self.rest.is_empty()
    }

    /// The server has ended the stream.
    pub(super) fn ended(&self) -> Broken {
        let whole = self.rest.is_empty();
        Broken::Closed(if whole { "closed" } else { "closed within a message" }.to_owned())
    }

    fn open(&mut self, head: &Head<'_>, used: Use) -> Result<(), Broken> {
        judge::accept(head, used)?;
        let connection = head.value("connection");
        self.last = connection.is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.kept = match used {
            Use::Listen(transport) if transport.polls() => Some(judge::cursor(head).into()),
            Use::Listen(Transport::Multipart) => Some(judge::delimiter(head)?),
            Use::Listen(_) | Use::Ask => None,
        };
        self.nothing = used == Use::Listen(Transport::IntervalPoll) && head.status == 304;
        let length = head.length()?;
        let what = match (used, &length) {
            (Use::Listen(Transport::Ws), _) => {
                self.stage = Stage::Frames;
                return Ok(());
            }
            (Use::Listen(Transport::Chunked), Length::Sized(_) | Length::UntilClose) => {
                "not chunked"
            }
            (used, Length::UntilClose) if used.ends() => "a response without a length",
            (used, Length::Sized(_)) if !used.ends() => "an endless response with a length",
            (_, length) => {
                self.stage = Stage::Body(Body::new(length));
                return Ok(());
            }
        };
        Err(Broken::framing(what))
    }

    fn body(&mut self, mut bytes: &[u8], used: Use, hear: &mut impl Hear) -> Result<(), Broken> {
        loop {
            let (data, mark, length) = match &mut self.stage {
                Stage::Body(body) => body.next(bytes)?,
                Stage::Frames => (bytes, Mark::Nothing, bytes.len()),
                Stage::Head => return Ok(()),
            };
            bytes = &bytes[length..];
            if !data.is_empty() || mark != Mark::Nothing {
                self.data(data, mark, used, hear)?;
            }
            if mark == Mark::Body && !bytes.is_empty() {
                return Err(Broken::framing("more than the response"));
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Bytes of a body, after those that were not whole.
    fn data(
        &mut self,
        bytes: &[u8],
        mark: Mark,
        used: Use,
        hear: &mut impl Hear,
    ) -> Result<(), Broken> {
        if self.rest.is_empty() {
            let length = self.take(bytes, mark, used, hear)?;
            return self.keep(&bytes[length..]);
        }
        self.rest.extend_from_slice(bytes);
        let joined = mem::take(&mut self.rest);
        let length = self.take(&joined, mark, used, hear)?;
        self.keep(&joined[length..])
    }

    /// Tells what is whole, and returns its length.
    fn take(
        &mut self,
        bytes: &[u8],
        mark: Mark,
        used: Use,
        hear: &mut impl Hear,
    ) -> Result<usize, Broken> {
        if used.ends() && mark == Mark::Body {
            self.stage = Stage::Head;
            let kept = self.kept.take().unwrap_or_default();
            if self.nothing {
                hear.nothing();
            } else {
                hear.message(bytes);
                hear.answered(&kept);
            }
            return Ok(bytes.len());
        }
        if mark == Mark::Body {
            return Err(Broken::Closed("an endless response that ends".to_owned()));
        }
        match used {
            Use::Listen(Transport::Sse) => events::take(bytes, hear),
            Use::Listen(Transport::Ws) => frames::take(bytes, hear),
            Use::Listen(Transport::Stream | Transport::Raw) => Ok(separated(bytes, hear)),
            Use::Listen(Transport::Chunked) if mark == Mark::Chunk => {
                hear.message(bytes);
                Ok(bytes.len())
            }
            Use::Listen(Transport::Multipart) => {
                let delimiter = self.kept.as_deref().unwrap_or_default();
                match take_parts(bytes, delimiter, |_, body| hear.message(body))? {
                    (_, true) => Err(Broken::Closed("the last part".to_owned())),
                    (length, false) => Ok(length),
                }
            }
            Use::Listen(Transport::Chunked | Transport::LongPoll | Transport::IntervalPoll)
            | Use::Ask => Ok(0),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if bytes.len() > LONGEST {
            return Err(Broken::framing("no end of a message"));
        }
        // An empty vector has no memory.
        self.rest = bytes.to_vec();
        Ok(())
    }
}

/// Messages up to their separators.
fn separated(bytes: &[u8], hear: &mut impl Hear) -> usize {
    let mut at = 0;
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == SEPARATOR) {
        hear.message(&bytes[at..at + length]);
        at += length + 1;
    }
    at
}

#[cfg(test)]
mod tests;

//! Responses that go on, and WebSockets.

use std::time::{Duration, Instant};

use super::{
    Item, LONGEST,
    cursor::Cursor,
    ending::End,
    follower::{Follower, Stop},
    pieces::Pieces,
    question::{Question, random},
};
use crate::{
    cli::{
        response::{Body, Malformed, Mark},
        wire::{Answer, Broken, Filled, Wire},
    },
    config::Transport,
    websocket::{Opcode, encode_masked},
};

/// How long the head of an endless response may take, which ought to come at once.
const HEAD: Duration = Duration::from_mins(1);
/// How long a stream has to last to be one that works.
const STEADY: Duration = Duration::from_secs(10);
impl Follower<'_> {
    /// Connects and reads until something ends it.
    pub(super) fn stream(&mut self) -> Stop {
        let begun = Instant::now();
        let stop = self.try_stream().unwrap_or_else(|stop| stop);
        if begun.elapsed() >= STEADY {
            self.backoff.reset();
        }
        stop
    }

    fn try_stream(&mut self) -> Result<Stop, Stop> {
        let mut wire = Wire::open(&self.asked.endpoint, true)?;
        let question = Question::new(&self.asked.endpoint, self.transport, &self.cursor);
        wire.connection.send(&question.bytes, false)?;
        let answer = wire.head(Some(HEAD))?;
        if let Some(end) = self.judge(&question, &mut wire, &answer) {
            return Err(Stop::End(end));
        }
        let refused = |why| Stop::End(End::Refused(why));
        let mut pieces = Pieces::of(self.transport, &answer).map_err(refused)?;
        self.listening();
        self.cursor.pin(&answer);
        let end = self.read(&mut wire, &answer, &mut pieces);
        if !pieces.have_ids() {
            // Where it was nobody can say.
            self.cursor = Cursor::Newest;
        }
        end.map(Stop::End)
    }

    /// Reads a response that goes on, up to its end.
    fn read(&mut self, wire: &mut Wire, answer: &Answer, pieces: &mut Pieces) -> Result<End, Stop> {
        let mut body = Body::new(&answer.length);
        let (mut rest, mut items) = (Vec::new(), Vec::new());
        loop {
            let taken = take(&mut body, &wire.input, &mut rest, pieces, &mut items);
            wire.input.clear();
            // What came before something that is wrong has come all the same.
            if let Some(end) = self.hear(wire, &mut items)? {
                return Ok(end);
            }
            if taken? {
                return Ok(End::Over("the response has ended".to_owned()));
            }
            match (wire.fill(None)?, &body) {
                // A WebSocket says goodbye before it closes.
                (Filled::End, Body::UntilClose)
                    if rest.is_empty() && self.transport != Transport::WebSocket =>
                {
                    return Ok(End::Over("the response has ended".to_owned()));
                }
                (Filled::End, _) => return Err(Broken::Closed.into()),
                _ => {}
            }
        }
    }

    /// Handles what has come; returns the end if it is there.
    fn hear(&mut self, wire: &Wire, items: &mut Vec<Item>) -> Result<Option<End>, Stop> {
        for item in items.drain(..) {
            match item {
                Item::Message(message) => {
                    if let Some(end) = self.message(&message) {
                        return Ok(Some(end));
                    }
                }
                Item::Gap(after) => self.gap(&after),
                Item::Retry(first) => self.backoff.begin_with(first),
                Item::Ping(payload) => {
                    let pong = encode_masked(Opcode::Pong, &payload, random());
                    wire.connection.send(&pong, false)?;
                }
                Item::Close(code) => {
                    let close = encode_masked(Opcode::Close, &code.to_be_bytes(), random());
                    // Who has said goodbye need not hear it.
                    let _ = wire.connection.send(&close, false);
                }
                Item::End(end) => return Ok(self.flush().or(Some(end))),
            }
        }
        Ok(self.flush())
    }
}

/// Takes messages out of input; `rest` is what is not whole. Returns whether the body has ended.
fn take(
    body: &mut Body,
    input: &[u8],
    rest: &mut Vec<u8>,
    pieces: &mut Pieces,
    items: &mut Vec<Item>,
) -> Result<bool, Malformed> {
    let mut at = 0;
    while at < input.len() {
        let (data, mark, length) = match body.next(&input[at..]) {
            Ok(next) => next,
            Err(malformed) => {
                pieces.take(rest, Mark::Nothing, items)?;
                return Err(malformed);
            }
        };
        at += length;
        rest.extend_from_slice(data);
        let over = mark == Mark::Body;
        if over || at == input.len() || (pieces.by_chunk() && mark == Mark::Chunk) {
            let taken = pieces.take(rest, mark, items)?;
            rest.drain(..taken);
        }
        if over {
            return Ok(true);
        }
    }
    if rest.len() > LONGEST { Err(Malformed::new("a message without end")) } else { Ok(false) }
}

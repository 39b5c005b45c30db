//! One who follows a channel, from one connection to the next.

use std::{
    io,
    time::{Duration, Instant},
};

use http::{StatusCode, header};

use super::{
    Item, LONGEST, Listen,
    backoff::Backoff,
    cursor::Cursor,
    ending::End,
    message::Message,
    output::Output,
    pieces::Pieces,
    question::{Question, random},
};
use crate::{
    cli::{
        connection::{Waited, wait},
        response::{Body, Malformed, Mark},
        visible,
        wire::{Answer, Broken, Filled, Wire},
    },
    config::Transport,
    websocket::{Opcode, encode_masked},
};

/// What is kept from one connection to the next.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    pub(super) asked: &'a Listen,
    pub(super) transport: Transport,
    pub(super) cursor: Cursor,
    pub(super) output: Output,
    backoff: Backoff,
    /// A connection that takes another request.
    pub(super) wire: Option<Wire>,
    /// It has been said that it listens, since it was last said that it does not.
    told: bool,
}

/// How long the head of an endless response may take, which ought to come at once.
const HEAD: Duration = Duration::from_mins(1);
/// How long a stream has to last to be one that works.
const STEADY: Duration = Duration::from_secs(10);
/// Messages after these are lost: `X-Push-Gap`.
const GAP: &str = "x-push-gap";

/// Either of what ends a connection.
#[derive(Debug)]
pub(super) enum Stop {
    End(End),
    Broken(Broken),
}

impl<E: Into<Broken>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(asked: &'a Listen, transport: Transport) -> Self {
        let cursor = asked.from.clone().unwrap_or(Cursor::Unsaid);
        let output = Output::new(asked.json, asked.count);
        Self { asked, transport, cursor, output, backoff: Backoff::new(), wire: None, told: false }
    }

    /// Follows until there is an end that is final.
    pub(super) fn follow(&mut self) -> End {
        loop {
            let end = self.once();
            let why = match end {
                End::Over(why) => {
                    self.backoff.reset();
                    why
                }
                End::Lost(why) => why,
                End::Deleted => {
                    self.say("the channel was deleted");
                    return End::Deleted;
                }
                End::Done | End::Refused(_) => return end,
            };
            let after = self.backoff.next();
            self.say(&format!("{why}; trying again in {:.1} s", after.as_secs_f64()));
            self.told = false;
            if let Some(end) = rest(after) {
                return end;
            }
        }
    }

    /// From connecting to the end of the connection.
    fn once(&mut self) -> End {
        let stop = match self.transport {
            Transport::LongPoll | Transport::IntervalPoll => self.poll(),
            _ => self.stream(),
        };
        match stop {
            Stop::End(end) => end,
            Stop::Broken(Broken::Unread) => End::Done,
            Stop::Broken(broken @ Broken::Malformed(_)) => End::Refused(broken.to_string()),
            Stop::Broken(broken) => End::Lost(broken.to_string()),
        }
    }

    fn stream(&mut self) -> Stop {
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

    /// What an answer says that is not the one that was asked for.
    pub(super) fn judge(
        &mut self,
        question: &Question,
        wire: &mut Wire,
        answer: &Answer,
    ) -> Option<End> {
        match question.is_answered(answer) {
            Ok(true) => {
                if let Some(after) = answer.headers.get(GAP) {
                    self.gap(&visible::line(after.as_bytes()));
                }
                return None;
            }
            Ok(false) => {}
            Err(why) => return Some(End::Refused(why)),
        }
        let said = wire.refusal(answer);
        Some(match answer.status {
            StatusCode::GONE => End::Deleted,
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                if let Ok(seconds) = answer.text(header::RETRY_AFTER).parse() {
                    self.backoff.begin_with(Duration::from_secs(seconds));
                }
                End::Lost(said)
            }
            _ => End::Refused(said),
        })
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
                Item::Gap(after) => self.gap(&visible::line(after.as_bytes())),
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

    /// Prints a message; returns the end if it is there.
    pub(super) fn message(&mut self, message: &Message) -> Option<End> {
        if let Some(id) = &message.id {
            self.cursor.advance(id);
        }
        self.backoff.reset();
        match self.output.message(message) {
            Ok(()) if self.output.is_done() => self.flush().or(Some(End::Done)),
            Ok(()) => None,
            Err(error) => Some(unwritten(&error)),
        }
    }

    pub(super) fn flush(&mut self) -> Option<End> {
        self.output.flush().err().map(|error| unwritten(&error))
    }

    pub(super) fn gap(&self, after: &str) {
        self.say(&format!("messages after {after} are lost: the gateway has kept none of them"));
    }

    /// Says, once a connection, that it is there.
    pub(super) fn listening(&mut self) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let after = match &self.cursor {
            Cursor::Newest => ", from now on".to_owned(),
            cursor => cursor.told().map_or(String::new(), |id| format!(", after {id}")),
        };
        let url = &self.asked.endpoint.url;
        let (authority, target, name) = (&url.authority, &url.target, self.transport.name());
        self.say(&format!("listening to {authority}{target} by {name}{after}"));
    }

    /// On the standard error, unless it is to be quiet.
    pub(super) fn say(&self, what: &str) {
        if !self.asked.quiet {
            eprintln!("pushgate: {what}");
        }
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

/// What it means that a message cannot be written.
fn unwritten(error: &io::Error) -> End {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return End::Done;
    }
    End::Refused(format!("cannot write: {error}"))
}

/// Waits; returns the end if nobody reads any more.
pub(super) fn rest(time: Duration) -> Option<End> {
    match wait(None, Some(Instant::now() + time)) {
        Ok(Waited::Unread) => Some(End::Done),
        Ok(Waited::Late | Waited::Ready) => None,
        Err(error) => Some(End::Refused(error.to_string())),
    }
}

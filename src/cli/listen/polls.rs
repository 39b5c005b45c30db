//! Polling and long polling: a request for each message.

use std::time::{Duration, Instant};

use http::{StatusCode, header};

use super::{
    LONGEST,
    backoff::Backoff,
    cursor::id_of,
    follower::{Follower, SOON, Stop, rest},
    message::Message,
    question::Question,
};
use crate::{
    cli::{
        response::Malformed,
        wire::{Answer, Broken, Wire},
    },
    config::Transport,
};

/// What a poll has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Polled {
    /// Messages; the next poll asks after them.
    Moved,
    /// A message, and the next poll asks the same again.
    Stuck,
    Nothing,
}

impl Follower<'_> {
    /// Polls until something ends it.
    pub(super) fn poll(&mut self) -> Stop {
        let interval = Duration::from_secs(self.asked.interval);
        let mut pauses = Backoff::shortest();
        loop {
            let begun = Instant::now();
            let polled = match self.ask() {
                Ok(polled) => polled,
                Err(stop) => return stop,
            };
            let long = self.transport == Transport::LongPoll;
            let pause = match polled {
                Polled::Moved => None,
                _ if long && begun.elapsed() >= SOON => None,
                // Without a place to ask after it may be a new message, or a page that is no channel.
                Polled::Stuck if long => Some(pauses.next().min(interval)),
                Polled::Stuck | Polled::Nothing => Some(interval),
            };
            match pause {
                None => pauses.reset(),
                Some(pause) => {
                    if let Some(end) = rest(pause) {
                        return Stop::End(end);
                    }
                }
            }
        }
    }

    /// Asks once.
    fn ask(&mut self) -> Result<Polled, Stop> {
        let before = self.cursor.clone();
        let question = Question::new(&self.asked.endpoint, self.transport, &self.cursor);
        let (mut wire, answer) = self.answer(&question)?;
        let nothing =
            [StatusCode::NOT_MODIFIED, StatusCode::NO_CONTENT, StatusCode::REQUEST_TIMEOUT];
        let empty = nothing.contains(&answer.status);
        if !empty && let Some(end) = self.judge(&question, &mut wire, &answer) {
            return Err(Stop::End(end));
        }
        let (body, whole) = wire.body(&answer, LONGEST, None)?;
        if !whole {
            return Err(Malformed::new("a message without end").into());
        }
        if answer.keeps && wire.input.is_empty() {
            self.wire = Some(wire);
        }
        let messages = if empty { Vec::new() } else { self.messages(&answer, &body) };
        for message in &messages {
            if let Some(end) = self.message(message) {
                return Err(Stop::End(end));
            }
        }
        self.cursor.polled(&answer);
        self.cursor.pin(&answer);
        if let Some(end) = self.flush() {
            return Err(Stop::End(end));
        }
        Ok(match messages.is_empty() {
            true => Polled::Nothing,
            false if self.cursor == before => Polled::Stuck,
            false => Polled::Moved,
        })
    }

    /// The head of an answer, and what it comes over. A connection that is there may be closed just when it
    /// is used: then the request is sent once more, over another one.
    fn answer(&mut self, question: &Question) -> Result<(Wire, Answer), Stop> {
        if let Some(mut wire) = self.wire.take()
            && !wire.connection.is_readable()?
        {
            let sent = wire.connection.send(&question.bytes, false);
            match sent.map_err(Broken::from).and_then(|_| wire.head(None)) {
                Ok(answer) => return Ok((wire, answer)),
                Err(Broken::Closed | Broken::Io(_)) if wire.input.is_empty() => {}
                Err(broken) => return Err(broken.into()),
            }
        }
        let mut wire = Wire::open(&self.asked.endpoint, true)?;
        wire.connection.send(&question.bytes, false)?;
        self.listening();
        let answer = wire.head(None)?;
        Ok((wire, answer))
    }

    /// What an answer has of messages: itself, or those of a JSON document.
    fn messages(&self, answer: &Answer, body: &[u8]) -> Vec<Message> {
        let content_type = answer.text(header::CONTENT_TYPE);
        let json = content_type.starts_with("application/json");
        let placed = answer.headers.contains_key(header::ETAG);
        if self.transport == Transport::IntervalPoll
            && json
            && !placed
            && let Some(messages) = Message::of_document(body)
        {
            return messages;
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        // Before JSON blanks mean nothing: they keep a connection alive.
        let lead = if json { body.iter().take_while(|byte| blank(byte)).count() } else { 0 };
        vec![Message {
            id: id_of(answer.text(header::LAST_MODIFIED), answer.text(header::ETAG)),
            content_type: Some(content_type.to_owned()).filter(|text| !text.is_empty()),
            event: None,
            body: body[lead..].to_vec(),
        }]
    }
}

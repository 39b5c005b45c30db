//! One who follows a channel, from one connection to the next.

use std::{
    io,
    time::{Duration, Instant},
};

use http::{StatusCode, header};

use super::{
    Listen,
    backoff::Backoff,
    cursor::{Cursor, EARLIER},
    ending::End,
    message::Message,
    output::Output,
    question::Question,
};
use crate::{
    cli::{
        connection::{Waited, wait},
        visible,
        wire::{Answer, Broken, Wire},
    },
    config::Transport,
};

/// What is kept from one connection to the next.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    pub(super) asked: &'a Listen,
    pub(super) transport: Transport,
    pub(super) cursor: Cursor,
    pub(super) output: Output,
    pub(super) backoff: Backoff,
    /// A connection that takes another request.
    pub(super) wire: Option<Wire>,
    /// It has been said that it listens, since it was last said that it does not.
    told: bool,
}

/// What is over sooner has not waited.
pub(super) const SOON: Duration = Duration::from_secs(1);
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
            let begun = Instant::now();
            let end = self.once();
            let why = match end {
                End::Over(why) => {
                    // Who ends it as soon as it is there has not served anything.
                    if begun.elapsed() >= SOON {
                        self.backoff.reset();
                    }
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
            let missed = self.told && self.cursor.is_open();
            let missed = if missed { "; what comes meanwhile may be missed" } else { "" };
            self.say(&format!("{why}; trying again in {:.1} s{missed}", after.as_secs_f64()));
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
                    self.gap(&String::from_utf8_lossy(after.as_bytes()));
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
        // Who asks for the oldest that there is misses none.
        if after == EARLIER {
            return;
        }
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
            visible::say(&what);
        }
    }
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

//! How a WebSocket ends: each side says so once, and the application knows of it.

use tokio::time::{Duration, Instant};

use crate::{grip::Event, websocket::code};

/// How long a client may take to close after the server has.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has said what.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// What the client has said, if it has closed; code 0: nothing.
    pub(super) client: Option<(u16, Box<str>)>,
    /// When it has closed.
    since: Option<Instant>,
    /// When the client is not waited for any more, if it has been sent a closing frame.
    pub(super) until: Option<Instant>,
    /// The application knows, or does not care.
    pub(super) told: bool,
    /// There is nothing left to do.
    pub(super) over: bool,
}

impl Ending {
    /// The client has been sent a closing frame.
    pub(super) fn closed(&mut self) {
        self.until.get_or_insert_with(|| Instant::now() + PATIENCE);
        if self.client.is_some() {
            self.over = true;
        }
    }

    /// The client has sent one.
    pub(super) fn closed_by_client(&mut self, why: Option<(u16, Box<str>)>) {
        self.client = Some(why.unwrap_or_default());
        self.since.get_or_insert_with(Instant::now);
        if self.until.is_some() {
            self.over = true;
        }
    }

    /// These events are on their way to the application.
    pub(super) fn sends(&mut self, events: &[Event]) {
        self.told |= say_close(events);
    }

    /// They could not be sent after all, and are the first of those that wait.
    pub(super) fn takes_back(&mut self, sent: &mut Vec<Event>, queue: &mut Vec<Event>) {
        self.told &= !say_close(sent);
        queue.splice(0..0, sent.drain(..));
    }

    /// When a client that has closed does not wait any more for an application that has not been told.
    pub(super) fn gives_up(&self) -> Option<Instant> {
        self.since.filter(|_| self.is_open()).map(|since| since + PATIENCE)
    }

    /// Whether frames may still be sent.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_none() && !self.over
    }
}

/// Whether events say that the client has closed.
fn say_close(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Close(_)))
}

/// A code that a closing frame may carry.
pub(super) fn sendable(code: u16) -> u16 {
    if code::is_sendable(code) { code } else { code::NORMAL }
}

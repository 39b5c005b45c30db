//! How a worker learns that one of its channels needs it.

use std::{
    mem,
    sync::Mutex,
    task::{Context, Waker},
};

use super::{Survey, locked};

/// Notes that a buffer keeps room for.
const FEW: usize = 1024;

/// A worker's letter box: channels put notes into it, the worker empties it.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notes: Vec<Note>,
    sleeper: Option<Waker>,
}

/// What a channel tells a worker that has subscribers of it.
#[derive(Clone, Debug)]
pub enum Note {
    /// There is something to read.
    Messages {
        /// The worker's own number for the channel.
        local: u32,
    },
    /// Subscribers may have to go: [`super::Channel::dismissed`] says who. The note may be late, and
    /// its number another channel's by then.
    Dismiss {
        /// The worker's own number for the channel.
        local: u32,
    },
    /// Somebody wants to know how its subscribers keep up. As above, the number may be another
    /// channel's by then.
    Survey {
        /// The worker's own number for the channel.
        local: u32,
        /// Which channel, and where the answer goes.
        survey: Survey,
    },
    /// Subscribers may have to go, each for a reason of its own. The note may be late, too.
    Recall {
        /// The worker's own number for the channel.
        local: u32,
    },
}

/// Why a channel sends subscribers away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dismissal {
    /// `push_subscriber_concurrency = "last"`: a later subscriber came.
    Conflict,
    /// The channel was deleted.
    Deleted,
}

impl Mailbox {
    /// Leaves a note, and wakes the worker.
    pub fn put(&self, note: Note) {
        let sleeper = {
            let mut inner = locked(&self.0);
            inner.notes.push(note);
            inner.sleeper.take()
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    /// Swaps the notes into an empty buffer, which need not be large because there were many once.
    pub fn take(&self, notes: &mut Vec<Note>) {
        notes.shrink_to(FEW);
        mem::swap(&mut locked(&self.0).notes, notes);
    }

    /// Whether there is nothing in it; then the next note wakes the caller.
    pub fn sleep(&self, cx: &mut Context<'_>) -> bool {
        let mut inner = locked(&self.0);
        let empty = inner.notes.is_empty();
        if empty {
            inner.sleeper = Some(cx.waker().clone());
        }
        empty
    }
}

//! What a slice has to give, of one channel or of several, and the writes that it makes in one go.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Outlet,
    batch::Batch,
    hall::Hall,
    held::{Phase, Place},
    send_batch::{ENOUGH, MOST},
};
use crate::channel::Message;

/// Different batches of one channel that are kept at hand.
const BATCHES: usize = 8;
/// Room for messages that is kept from one slice to the next.
const ROOM: usize = 64;

/// Parts of passes through the subscribers of channels.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// The channel whose pass is under way.
    local: u32,
    messages: Vec<Arc<Message>>,
    batches: Vec<Batch>,
    /// The batches of this channel begin here. Another's have messages of the same ids.
    own: usize,
    writes: Vec<Write>,
    /// Bytes of all writes.
    bytes: usize,
    /// Channels whose subscribers have been visited.
    pub(super) walked: Vec<u32>,
}

/// What one subscriber gets.
#[derive(Debug)]
struct Write {
    key: u32,
    outlet: Arc<Outlet>,
    /// Its number in the slice.
    batch: usize,
    bytes: Bytes,
}

impl Slice {
    /// Goes on with another channel; its messages are put into what is returned.
    pub(super) fn enter(&mut self, local: u32) -> &mut Vec<Arc<Message>> {
        (self.local, self.own) = (local, self.batches.len());
        self.walked.push(local);
        self.messages.clear();
        &mut self.messages
    }

    /// Forgets messages and batches, and keeps the room of most slices.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.messages.shrink_to(ROOM);
        self.batches.clear();
    }
}

impl Hall {
    /// Gives a subscriber what it has not had: with the writes of the slice, or at once.
    pub(super) fn serve(&mut self, key: u32, slice: &mut Slice) {
        if self.serve_body(key, &slice.messages) {
            return;
        }
        let Some(held) = self.held.get(key as usize) else { return };
        let parts = held.parting().is_some();
        if held.blocked || held.paused || parts || held.phase != Phase::Held {
            return;
        }
        let Some(outlet) = held.outlet.clone() else { return };
        if matches!(held.place, Place::Many(_)) {
            return self.catch_up(key, &outlet);
        }
        let Some(batch) = self.batch(key, &outlet, slice) else { return };
        if !self.may_have(key, &slice.batches[batch]) {
            return;
        }
        let bytes = self.prepare(key, &outlet, &slice.batches[batch], Some(slice.local));
        slice.bytes += bytes.len();
        slice.writes.push(Write { key, outlet, batch, bytes });
        if slice.writes.len() >= MOST || slice.bytes >= ENOUGH {
            self.write_all(slice);
        }
    }

    /// The number of the batch that a subscriber needs, if there is anything for it.
    fn batch(&mut self, key: u32, outlet: &Arc<Outlet>, slice: &mut Slice) -> Option<usize> {
        let held = &self.held[key as usize];
        let (raw, cursor) = (held.raw, held.cursor);
        let mut own = slice.batches[slice.own..].iter();
        if let Some(known) = own.position(|batch| batch.suits(outlet, raw, cursor)) {
            return Some(slice.own + known);
        }
        let batch = Batch::new(outlet, raw, cursor, &slice.messages)?;
        if slice.batches.len() >= slice.own + BATCHES {
            self.write_all(slice);
            slice.batches.clear();
        }
        slice.batches.push(batch);
        Some(slice.batches.len() - 1)
    }

    /// Makes the writes of a slice.
    pub(super) fn write_all(&mut self, slice: &mut Slice) {
        let mut writes = std::mem::take(&mut slice.writes);
        slice.bytes = 0;
        let sent = self.send_each(&writes, |write| (write.key, &write.bytes));
        for (Write { key, outlet, batch, bytes }, sent) in writes.drain(..).zip(sent) {
            self.transmitted(key, &outlet, &Bytes::new(), &slice.batches[batch], (&bytes, sent));
        }
        slice.writes = writes;
        // Those of the channels before are needed no more.
        slice.batches.drain(..slice.own);
        slice.own = 0;
    }
}

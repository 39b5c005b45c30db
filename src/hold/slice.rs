//! What a slice of a pass has to give, and the writes that it makes in one go.

use std::{os::fd::AsFd, sync::Arc};

use bytes::Bytes;

use super::{
    Outlet,
    batch::Batch,
    hall::Hall,
    held::{Phase, Place},
    send_batch::MOST,
};
use crate::channel::Message;

/// Different batches that are kept at hand during a slice.
const BATCHES: usize = 8;
/// Bytes that wait for the next call: answers with header lines of their own are copies.
const ENOUGH: usize = 256 << 10;

/// A part of a pass through the subscribers of one channel.
pub(super) struct Slice {
    local: u32,
    pub(super) messages: Vec<Arc<Message>>,
    batches: Vec<Batch>,
    writes: Vec<Write>,
    /// Bytes of all writes.
    bytes: usize,
}

/// What one subscriber gets.
struct Write {
    key: u32,
    outlet: Arc<Outlet>,
    /// Its number in the slice.
    batch: usize,
    bytes: Bytes,
}

impl Slice {
    pub(super) fn new(local: u32, messages: Vec<Arc<Message>>) -> Self {
        Self { local, messages, batches: Vec::new(), writes: Vec::new(), bytes: 0 }
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
        if slice.writes.len() >= MOST as usize || slice.bytes >= ENOUGH {
            self.write_all(slice);
        }
    }

    /// The number of the batch that a subscriber needs, if there is anything for it.
    fn batch(&mut self, key: u32, outlet: &Arc<Outlet>, slice: &mut Slice) -> Option<usize> {
        let held = &self.held[key as usize];
        let (raw, cursor) = (held.raw, held.cursor);
        let known = slice.batches.iter().position(|batch| batch.suits(outlet, raw, cursor));
        if known.is_some() {
            return known;
        }
        let batch = Batch::new(outlet, raw, cursor, &slice.messages)?;
        if slice.batches.len() >= BATCHES {
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
        let Self { held, send_batch, .. } = self;
        let socket = |key: u32| held.get(key as usize)?.fd.as_ref().map(AsFd::as_fd);
        writes.retain(|write| socket(write.key).is_some());
        let ready = writes.iter().filter_map(|write| Some((socket(write.key)?, &write.bytes[..])));
        let sent = send_batch.send(&ready.collect::<Vec<_>>());
        for (Write { key, outlet, batch, bytes }, sent) in writes.into_iter().zip(sent) {
            self.held[key as usize].note_sent(sent);
            self.transmitted(key, &outlet, &Bytes::new(), &slice.batches[batch], (&bytes, sent));
        }
    }
}

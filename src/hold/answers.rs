//! Whole answers, written together at the end of a turn's events.

use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::event::epoll::EventData;

use super::{
    hall::{Hall, Sent},
    held::Phase,
    send_batch::{ENOUGH, MOST},
};
use crate::log::Entry;

/// Answers that have not been written yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    list: Vec<Whole>,
    /// Bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Whole {
    /// The connection, if it still exists then.
    data: u64,
    bytes: Bytes,
    entry: Option<Entry>,
}

impl Hall {
    /// Answers, soon; then the connection is idle or closed.
    pub(super) fn answer_soon(&mut self, key: u32, bytes: Bytes, entry: Option<&Entry>) {
        self.held[key as usize].phase = Phase::Ending;
        self.answers.bytes += bytes.len();
        let data = self.data(key).u64();
        self.answers.list.push(Whole { data, bytes, entry: entry.cloned() });
        if self.answers.list.len() >= MOST || self.answers.bytes >= ENOUGH {
            self.write_answers();
        }
    }

    /// Writes the answers of this turn.
    pub(super) fn write_answers(&mut self) {
        let Answers { list, .. } = std::mem::take(&mut self.answers);
        let list = list
            .into_iter()
            .filter_map(|whole| Some((self.find(EventData::new_u64(whole.data))?, whole)));
        let list: Vec<_> = list.collect();
        let sent = self.send_each(&list, |(key, whole)| (*key, &whole.bytes));
        for ((key, Whole { bytes, entry, .. }), sent) in list.into_iter().zip(sent) {
            match sent {
                Sent::Bytes(sent) => {
                    if sent < bytes.len() && entry.is_some() {
                        // The line is written when all is sent.
                        self.held[key as usize].rare().entry = entry;
                    }
                    self.end(key, bytes.slice(sent..));
                }
                Sent::Gone => self.close(key),
            }
        }
    }

    /// Writes once to each of some connections; answers in their order.
    pub(super) fn send_each<T>(
        &mut self,
        writes: &[T],
        of: impl Fn(&T) -> (u32, &Bytes),
    ) -> Vec<Sent> {
        let Self { held, send_batch, .. } = self;
        let socket = |key: u32| held.get(key as usize)?.fd.as_ref().map(AsFd::as_fd);
        let ready = writes.iter().map(|write| {
            let (key, bytes) = of(write);
            (socket(key), &bytes[..])
        });
        let sent = send_batch.send(&ready.collect::<Vec<_>>());
        for (write, sent) in writes.iter().zip(&sent) {
            if let Some(held) = held.get(of(write).0 as usize) {
                held.note_sent(*sent);
            }
        }
        sent
    }
}

//! Whole answers, written together at the end of a turn's events.

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
}

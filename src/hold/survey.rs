//! How the subscribers of a channel keep up: counted when somebody asks, in slices.
//!
//! Whoever comes or goes meanwhile may be counted or not.

use super::{hall::Hall, held::Held};
use crate::channel::{Channel, Survey, Turnout};

/// Subscribers counted before the worker looks at everything else.
const SLICE: usize = 256;

/// A count that is under way.
#[derive(Debug)]
pub(super) struct Count {
    local: u32,
    survey: Survey,
    /// So many at the front have not been counted.
    ahead: usize,
    found: Vec<(&'static str, Turnout)>,
}

impl Count {
    fn add(&mut self, transport: &'static str, slow: bool, behind: usize) {
        let at = self.found.iter().position(|(name, _)| *name == transport);
        let at = at.unwrap_or_else(|| {
            self.found.push((transport, Turnout::default()));
            self.found.len() - 1
        });
        self.found[at].1.add(slow, behind);
    }
}

impl Hall {
    /// Begins to count, if the number is still that of the channel.
    pub(super) fn begin_count(&mut self, local: u32, survey: Survey) {
        let same = |channel: &Channel| std::ptr::eq(channel, &raw const *survey.channel);
        let entry = self.locals.get(local).filter(|entry| same(&entry.channel));
        if let Some(ahead) = entry.map(|entry| entry.subscribers.len()) {
            self.counts.push_back(Count { local, survey, ahead, found: Vec::new() });
        }
    }

    /// Goes on with a count; when it is done, whoever has asked is told.
    pub(super) fn count_some(&mut self) {
        let Some(mut count) = self.counts.pop_front() else { return };
        let same = |channel: &Channel| std::ptr::eq(channel, &raw const *count.survey.channel);
        let entry = self.locals.get(count.local).filter(|entry| same(&entry.channel));
        let subscribers = entry.map_or(&[][..], |entry| &entry.subscribers);
        let end = count.ahead.min(subscribers.len());
        let begin = end.saturating_sub(SLICE);
        let keys = subscribers[begin..end].to_vec();
        count.ahead = begin;
        for key in keys {
            let (transport, slow, cursor) = if let Some(body) = self.bodies.get(key) {
                (body.transport, body.is_full(), body.seen())
            } else if let Some(Held { outlet: Some(outlet), blocked, cursor, .. }) =
                self.held.get(key as usize)
            {
                (outlet.transport, *blocked, *cursor)
            } else {
                continue;
            };
            let behind = count.survey.channel.behind(cursor);
            count.add(transport.name(), slow, behind);
        }
        if count.ahead > 0 {
            return self.counts.push_back(count);
        }
        for (transport, turnout) in count.found {
            count.survey.answer(transport, turnout);
        }
    }
}

//! Tabs whose message has to wait until the others are back.

use std::time::Duration;

use rustix::event::epoll::EventData;

use super::{batch::Batch, hall::Hall, held::Phase};

/// How often such a tab is looked at again.
pub(super) const PAUSE: Duration = Duration::from_millis(3);

impl Hall {
    /// Whether a subscriber may have its next message; if not, it is looked at again soon.
    pub(super) fn may_have(&mut self, key: u32, batch: &Batch) -> bool {
        let held = &mut self.held[key as usize];
        let tab = held.rare.as_ref().and_then(|rare| rare.tab.as_ref());
        let Some(tab) = tab else { return true };
        if held.parting().is_some() || tab.may_have(batch.last(), self.now) {
            return true;
        }
        held.paused = true;
        self.pauses.push_back((self.now + PAUSE, self.data(key).u64()));
        false
    }

    /// The tab of a subscriber has its message.
    pub(super) fn tab_answered(&mut self, key: u32) {
        let rare = self.held[key as usize].rare.as_mut();
        if let Some(tab) = rare.and_then(|rare| rare.tab.take()) {
            tab.answered(self.now);
        }
    }

    /// Looks again at those whose pause is over.
    pub(super) fn end_pauses(&mut self) {
        while self.pauses.front().is_some_and(|(ends, _)| *ends <= self.now) {
            let Some(key) =
                self.pauses.pop_front().and_then(|(_, data)| self.find(EventData::new_u64(data)))
            else {
                continue;
            };
            let held = &mut self.held[key as usize];
            let paused = std::mem::take(&mut held.paused);
            if let (Phase::Held, true, false) = (held.phase, paused, held.blocked)
                && let Some(outlet) = held.outlet.clone()
            {
                self.catch_up(key, &outlet);
            }
        }
    }
}

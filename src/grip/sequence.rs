//! The order of a channel's items, by the ids that their publisher gave them.
//!
//! An item names the one before it. Where that is not the last one, it is early, and waits for what is
//! between; what does not come in time is lost, and only the application knows it.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::channel::Message;

/// How long a publisher of several processes may be late with one of its items.
const PATIENCE: Duration = Duration::from_secs(1);
/// Items that may be early.
const MAX_EARLY: usize = 64;
/// Ids that are known to be past.
const MAX_PAST: usize = 64;

/// Where a subscriber is in a channel.
#[derive(Debug, Default)]
pub struct Sequence {
    last: Option<Box<str>>,
    early: Vec<Early>,
    since: Option<Instant>,
    past: VecDeque<Box<str>>,
}

#[derive(Debug)]
struct Early {
    message: Arc<Message>,
    /// The application has been asked since it came.
    asked: bool,
}

impl Sequence {
    /// Behind an item; without one there is no order.
    pub fn new(last: Option<&str>) -> Self {
        Self { last: last.map(Into::into), ..Self::default() }
    }

    /// The id of the last item.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Begins with what the channel has kept, and gives what comes after the last item. Returns whether
    /// the last item is none that the channel knows of: then something may be lost.
    pub fn begin(
        &mut self,
        kept: &[Arc<Message>],
        now: Instant,
        out: &mut Vec<Arc<Message>>,
    ) -> bool {
        if self.last.is_none() {
            return false;
        }
        let id = |message: &Arc<Message>| message.item()?.id.clone();
        let at = |message: &Arc<Message>| id(message) == self.last;
        let before =
            |message: &Arc<Message>| message.item().is_some_and(|item| item.previous == self.last);
        let start =
            kept.iter().rposition(at).map(|at| at + 1).or_else(|| kept.iter().position(before));
        let Some(start) = start else { return kept.iter().any(|message| id(message).is_some()) };
        let (old, new) = kept.split_at(start);
        old.iter().filter_map(id).for_each(|id| self.pass(id));
        for message in new {
            self.offer(message, now, out);
        }
        false
    }

    /// Takes a message, and gives those whose turn it is.
    pub fn offer(&mut self, message: &Arc<Message>, now: Instant, out: &mut Vec<Arc<Message>>) {
        let item = message.item().filter(|item| !item.unordered && self.last.is_some());
        let Some((item, id)) = item.and_then(|item| Some((item, item.id.as_ref()?))) else {
            return out.push(message.clone());
        };
        if self.last.as_ref() == Some(id) || self.past.contains(id) {
            return;
        }
        if item.previous.is_none() || item.previous == self.last {
            self.take(message, out);
            return self.go_on(out);
        }
        if self.early.len() < MAX_EARLY {
            self.early.push(Early { message: message.clone(), asked: false });
        }
        self.since.get_or_insert(now);
    }

    /// When what is missing counts as lost.
    pub fn lost_at(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// The application has told everything up to an item; it may be one that others have followed by now.
    /// What is early still, and was it when it was asked before, is none of what follows.
    pub fn told(&mut self, last: Option<&str>, now: Instant, out: &mut Vec<Arc<Message>>) {
        let passed = last.is_some_and(|last| self.past.iter().any(|id| **id == *last));
        if !passed && let Some(id) = std::mem::replace(&mut self.last, last.map(Into::into)) {
            self.pass(id);
        }
        self.since = None;
        self.forget_told();
        if self.last.is_none() {
            out.extend(self.early.drain(..).map(|early| early.message));
        }
        self.go_on(out);
        self.early.retain(|early| !early.asked);
        self.early.iter_mut().for_each(|early| early.asked = true);
        self.since = (!self.early.is_empty()).then_some(now);
    }

    /// What is missing does not come any more: the early ones go on without it, and the order with them.
    pub fn give_up(&mut self, out: &mut Vec<Arc<Message>>) {
        self.since = None;
        for Early { message, .. } in std::mem::take(&mut self.early) {
            self.take(&message, out);
        }
    }

    /// Of the early ones the last item, and what was before it, have been told.
    fn forget_told(&mut self) {
        let mut told = self.last.clone();
        let id = |early: &Early| early.message.item().and_then(|item| item.id.clone());
        while let Some(at) = self.early.iter().position(|early| told.is_some() && id(early) == told)
        {
            let early = self.early.remove(at);
            told = early.message.item().and_then(|item| item.previous.clone());
            if let Some(id) = &told {
                self.pass(id.clone());
            }
        }
    }

    /// Gives the early ones whose turn it is now.
    fn go_on(&mut self, out: &mut Vec<Arc<Message>>) {
        let next = |early: &Early, last: &Option<Box<str>>| {
            early.message.item().is_some_and(|item| item.previous == *last)
        };
        while let Some(at) = self.early.iter().position(|early| next(early, &self.last)) {
            let early = self.early.remove(at);
            self.take(&early.message, out);
        }
        if self.early.is_empty() {
            self.since = None;
        }
    }

    fn take(&mut self, message: &Arc<Message>, out: &mut Vec<Arc<Message>>) {
        let id = message.item().and_then(|item| item.id.clone());
        if let Some(id) = std::mem::replace(&mut self.last, id) {
            self.pass(id);
        }
        out.push(message.clone());
    }

    fn pass(&mut self, id: Box<str>) {
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::{Budget, ChannelId, Draft, Item, MessageId};

    fn message(id: &str, previous: &str) -> Arc<Message> {
        let some = |text: &str| (!text.is_empty()).then(|| text.into());
        let item = Item { id: some(id), previous: some(previous), ..Item::default() };
        let draft = Draft { item: Some(Arc::new(item)), ..Draft::default() };
        let (zero, budget) = (MessageId::ZERO, Arc::new(Budget::new(0)));
        Arc::new(Message::new(ChannelId::new(b"a"), zero, zero, draft, budget))
    }

    fn number(number: usize) -> Arc<Message> {
        message(&number.to_string(), &(number - 1).to_string())
    }

    fn ids(messages: &[Arc<Message>]) -> Vec<&str> {
        messages.iter().map(|message| message.item().unwrap().id.as_deref().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn in_whatever_order_items_come_they_go_on_in_their_own(
            order in Just((1..=12).collect::<Vec<usize>>()).prop_shuffle(),
            again in prop::collection::vec(1..=12_usize, 0..6),
        ) {
            let (mut sequence, mut out, now) = (Sequence::new(Some("0")), Vec::new(), Instant::now());
            for id in order.into_iter().chain(again) {
                sequence.offer(&number(id), now, &mut out);
            }
            let expected: Vec<String> = (1..=12).map(|id| id.to_string()).collect();
            prop_assert_eq!(ids(&out), expected);
            prop_assert!(sequence.lost_at().is_none());
        }
    }

    #[test]
    fn what_a_channel_has_kept_goes_on_behind_the_last_item() {
        let kept: Vec<_> = (3..=6).map(number).collect();
        for (last, expected, lost) in [
            ("4", &["5", "6"][..], false),
            ("6", &[], false),
            ("2", &["3", "4", "5", "6"], false),
            ("1", &[], true),
            ("9", &[], true),
        ] {
            let (mut sequence, mut out) = (Sequence::new(Some(last)), Vec::new());
            assert_eq!(sequence.begin(&kept, Instant::now(), &mut out), lost, "{last}");
            assert_eq!(ids(&out), expected, "{last}");
        }
        let mut sequence = Sequence::new(Some("1"));
        assert!(!sequence.begin(&[], Instant::now(), &mut Vec::new()), "nothing is known of it");
    }

    #[test]
    fn an_item_that_does_not_come_is_lost_and_the_application_tells_it() {
        let (mut sequence, mut out, now) = (Sequence::new(Some("1")), Vec::new(), Instant::now());
        sequence.offer(&number(3), now, &mut out);
        sequence.offer(&number(4), now, &mut out);
        assert_eq!((out.len(), sequence.lost_at()), (0, Some(now + PATIENCE)));
        sequence.told(Some("3"), now, &mut out);
        assert_eq!((ids(&out), sequence.last()), (vec!["4"], Some("4")));
        // They were told already.
        for id in [2, 3, 4] {
            sequence.offer(&number(id), now, &mut out);
        }
        assert_eq!((out.len(), sequence.lost_at()), (1, None));
    }

    #[test]
    fn what_the_application_knows_nothing_of_is_asked_for_twice() {
        let (mut sequence, mut out, now) = (Sequence::new(Some("1")), Vec::new(), Instant::now());
        sequence.offer(&number(9), now, &mut out);
        sequence.told(Some("1"), now, &mut out);
        assert_eq!(sequence.lost_at(), Some(now + PATIENCE));
        sequence.told(Some("1"), now, &mut out);
        assert_eq!((out.len(), sequence.lost_at()), (0, None));
    }

    #[test]
    fn where_nobody_can_be_asked_the_early_ones_go_on() {
        let (mut sequence, mut out, now) = (Sequence::new(Some("1")), Vec::new(), Instant::now());
        for id in [3, 5] {
            sequence.offer(&number(id), now, &mut out);
        }
        sequence.give_up(&mut out);
        sequence.offer(&number(6), now, &mut out);
        assert_eq!((ids(&out), sequence.lost_at()), (vec!["3", "5", "6"], None));
    }

    #[test]
    fn without_ids_there_is_no_order() {
        let (mut sequence, mut out, now) = (Sequence::new(None), Vec::new(), Instant::now());
        for id in [5, 3, 3] {
            sequence.offer(&number(id), now, &mut out);
        }
        assert_eq!(ids(&out), ["5", "3", "3"]);
        let mut sequence = Sequence::new(Some("1"));
        sequence.offer(&message("", ""), now, &mut out);
        sequence.offer(&message("x", ""), now, &mut out);
        assert_eq!((out.len(), sequence.last()), (5, Some("x")));
    }
}

//! The tabs of one browser that wait for the same: they are answered in rounds.
//!
//! A browser keeps one `Etag` for all its tabs, so a request does not say which of them asks. What must
//! hold therefore is that they all have had the same: a round begins only when every tab that was
//! answered in the last one is back, and then each gets the one message of it.
//!
//! A tab that has just been opened looks like one that is back. Then a round might begin without the one
//! that is not, and so might all later ones. So when all seem to be back a round still waits, about as long
//! as the tabs took: whoever comes then has not been counted before. When messages come faster than that
//! allows only one round in a while does.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::channel::MessageId;

/// The browsers whose tabs are known to be several, by a number of their own.
#[derive(Debug, Default)]
pub struct Browsers {
    by_number: Mutex<HashMap<u64, Arc<Tabs>>>,
    /// Nobody else knows it.
    key: RandomState,
}

/// The tabs of one browser.
#[derive(Debug, Default)]
pub struct Tabs(Mutex<Rounds>);

#[derive(Debug, Default)]
struct Rounds {
    /// The message of the latest round; none before the first.
    latest: Option<MessageId>,
    /// Which round it is.
    number: u64,
    waiting: usize,
    /// Tabs that wait from before it was known that they are several: the first message is theirs.
    unknown: usize,
    /// Tabs that wait for the message of this round.
    owed: usize,
    /// Tabs that have been answered and are not back.
    away: usize,
    /// The latest answer, or a tab's coming.
    at: Option<Instant>,
    /// When the latest round began.
    began: Option<Instant>,
    /// How long the tabs were away, the longest of the latest rounds.
    turnaround: Duration,
    /// The next message was there before the last tab was.
    behind: bool,
    /// For so many rounds on end.
    late: u32,
    /// When a round last waited for tabs that are not known.
    counted: Option<Instant>,
}

/// A tab that waits; when it is dropped without an answer the tab is gone.
#[derive(Debug)]
pub struct Tab {
    tabs: Arc<Tabs>,
    /// The round in which it came.
    entered: u64,
    answered: bool,
}

/// A tab that is away for longer has been closed, or asks no more.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long tabs are taken to be away before anything is known of it, ...
const TURNAROUND: Duration = Duration::from_millis(5);
/// ... and at most.
const LONGEST: Duration = Duration::from_millis(50);
/// So many rounds on end begin late: there is no time to wait for tabs that are not known,
const LATE: u32 = 8;
/// but every so often there is.
const COUNT: Duration = Duration::from_millis(200);
/// Browsers that have not asked for so long are forgotten.
const FORGET: Duration = Duration::from_mins(1);
/// Browsers are looked through for such when there are so many more of them.
const LOOK: usize = 1024;

impl Browsers {
    /// A number that only this process makes of the value, always the same.
    pub fn keyed(&self, value: &impl Hash) -> u64 {
        self.key.hash_one(value)
    }

    /// The tabs of a browser; they are counted from now on if they were not before, and `unknown` of
    /// them wait already.
    pub fn tabs(&self, number: u64, unknown: usize, now: Instant) -> Arc<Tabs> {
        let mut browsers = locked(&self.by_number);
        if browsers.len() % LOOK == LOOK - 1 {
            browsers.retain(|_, tabs| Arc::strong_count(tabs) > 1 || !tabs.is_forgotten(now));
        }
        let (at, turnaround) = (Some(now), TURNAROUND);
        let rounds = Rounds { unknown, at, turnaround, ..Rounds::default() };
        let tabs = || Arc::new(Tabs(Mutex::new(rounds)));
        browsers.entry(number).or_insert_with(tabs).clone()
    }
}

impl Tabs {
    /// A tab asks that has had everything up to `cursor`; it is one of those that were away, or a new one.
    pub fn enter(self: &Arc<Self>, cursor: MessageId, now: Instant) -> Tab {
        let mut rounds = locked(&self.0);
        if rounds.away == 1 {
            rounds.all_back(now);
        }
        rounds.away = rounds.away.saturating_sub(1);
        rounds.waiting += 1;
        rounds.at = Some(now);
        let mut entered = rounds.number;
        if rounds.latest.is_some_and(|latest| latest > cursor) {
            // The round began while it came.
            entered -= 1;
            rounds.owed += 1;
        }
        Tab { tabs: self.clone(), entered, answered: false }
    }

    /// The message that every tab has had which asks now; `first` is the first after the position that
    /// it brings.
    pub fn latest(&self, first: Option<MessageId>, now: Instant) -> Option<MessageId> {
        let mut rounds = locked(&self.0);
        if let (None, Some(first), 1..) = (rounds.latest, first, rounds.unknown) {
            // It has had that before the others.
            rounds.begin(first, now);
        }
        rounds.latest
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        let rounds = locked(&self.0);
        let long_ago = |at: Instant| now.saturating_duration_since(at) > FORGET;
        rounds.waiting == 0 && rounds.at.is_none_or(long_ago)
    }
}

impl Rounds {
    /// Everybody who waits is to have this message.
    fn begin(&mut self, message: MessageId, now: Instant) {
        self.away = std::mem::take(&mut self.unknown);
        self.owed = self.waiting;
        self.number += 1;
        self.latest = Some(message);
        self.began = Some(now);
        self.late = if std::mem::take(&mut self.behind) { self.late + 1 } else { 0 };
    }

    /// The last tab that is known to have been away is back.
    fn all_back(&mut self, now: Instant) {
        let away = self.began.map_or(LONGEST, |began| now.saturating_duration_since(began));
        self.turnaround = away.min(LONGEST).max(self.turnaround * 7 / 8);
    }

    /// Whether the next round may begin, or still waits for tabs that are away, or not known.
    fn may_begin(&mut self, now: Instant) -> bool {
        let quiet = self.at.map_or(PATIENCE, |at| now.saturating_duration_since(at));
        if self.away + self.owed > 0 {
            return quiet >= PATIENCE;
        }
        self.behind |= quiet.is_zero();
        let lately = |counted| now.saturating_duration_since(counted) < COUNT;
        if self.late >= LATE && self.counted.is_some_and(lately) {
            return true;
        }
        if quiet < self.turnaround {
            return false;
        }
        self.counted = Some(now);
        true
    }
}

impl Tab {
    /// Whether the tab may have this message now: in the present round, or as the first of the next
    /// one.
    pub(super) fn may_have(&self, message: MessageId, now: Instant) -> bool {
        let mut rounds = locked(&self.tabs.0);
        if self.entered < rounds.number {
            return true;
        }
        if !rounds.may_begin(now) {
            return false;
        }
        rounds.begin(message, now);
        true
    }

    /// The tab has its message.
    pub(super) fn answered(mut self, now: Instant) {
        self.answered = true;
        let mut rounds = locked(&self.tabs.0);
        rounds.waiting = rounds.waiting.saturating_sub(1);
        rounds.owed = rounds.owed.saturating_sub(1);
        rounds.away += 1;
        rounds.at = Some(now);
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        if !self.answered {
            let mut rounds = locked(&self.tabs.0);
            rounds.waiting = rounds.waiting.saturating_sub(1);
            if self.entered < rounds.number {
                rounds.owed = rounds.owed.saturating_sub(1);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tab asks that has had all that it could have had.
    fn enter(tabs: &Arc<Tabs>, now: Instant) -> Tab {
        tabs.enter(tabs.latest(None, now).unwrap_or(MessageId::ZERO), now)
    }

    fn id(tag: u64) -> MessageId {
        MessageId::new(5, tag).unwrap()
    }

    #[test]
    fn a_round_begins_when_every_tab_is_back() {
        let (tabs, now) = (Arc::<Tabs>::default(), Instant::now());
        let (one, two) = (enter(&tabs, now), enter(&tabs, now));
        assert!(one.may_have(id(1), now));
        one.answered(now);
        let one = enter(&tabs, now);
        assert_eq!(tabs.latest(None, now), Some(id(1)));
        assert!(!one.may_have(id(2), now), "the other has not had the message of this round");
        assert!(two.may_have(id(1), now), "the message of the present round");
        two.answered(now);
        assert!(!one.may_have(id(2), now), "the other is away");
        let two = enter(&tabs, now);
        assert!(one.may_have(id(2), now));
        assert!(two.may_have(id(2), now));
    }

    #[test]
    fn a_tab_that_is_gone_is_not_waited_for() {
        let (tabs, now) = (Arc::<Tabs>::default(), Instant::now());
        let (one, two, three) = (enter(&tabs, now), enter(&tabs, now), enter(&tabs, now));
        drop(three);
        for tab in [&one, &two] {
            assert!(tab.may_have(id(1), now));
        }
        one.answered(now);
        two.answered(now);
        let one = enter(&tabs, now);
        assert!(!one.may_have(id(2), now + PATIENCE / 2));
        assert!(one.may_have(id(2), now + PATIENCE));
    }

    fn one_of_two_is_unknown(now: Instant) -> (Arc<Tabs>, Tab) {
        let tabs = Arc::new(Tabs(Mutex::new(Rounds { unknown: 1, ..Rounds::default() })));
        let tab = enter(&tabs, now);
        assert_eq!(tabs.latest(None, now), None);
        (tabs, tab)
    }

    #[test]
    fn a_tab_that_waited_before_they_were_several_is_away_with_the_first_message() {
        let now = Instant::now();
        let (tabs, two) = one_of_two_is_unknown(now);
        assert!(two.may_have(id(1), now));
        two.answered(now);
        let two = enter(&tabs, now);
        assert!(!two.may_have(id(2), now), "the other is away");
        assert_eq!(tabs.latest(Some(id(1)), now), Some(id(1)));
        let one = enter(&tabs, now);
        assert!(two.may_have(id(2), now));
        assert!(one.may_have(id(2), now));
    }

    #[test]
    fn a_tab_that_waited_before_they_were_several_may_be_back_first() {
        let now = Instant::now();
        let (tabs, two) = one_of_two_is_unknown(now);
        assert_eq!(tabs.latest(Some(id(1)), now), Some(id(1)));
        let one = enter(&tabs, now);
        assert!(!one.may_have(id(2), now), "the other has not had the message of this round");
        assert!(two.may_have(id(1), now));
        two.answered(now);
        assert!(!one.may_have(id(2), now), "the other is away");
        let _two = enter(&tabs, now);
        assert!(one.may_have(id(2), now));
    }

    #[test]
    fn a_tab_that_comes_while_a_round_begins_is_one_of_it() {
        let (tabs, now) = (Arc::<Tabs>::default(), Instant::now());
        let one = enter(&tabs, now);
        // Another has looked by now, and found nothing.
        assert!(one.may_have(id(1), now));
        let two = tabs.enter(MessageId::ZERO, now);
        one.answered(now);
        let one = enter(&tabs, now);
        assert!(!one.may_have(id(2), now), "the other has not had the message of this round");
        assert!(two.may_have(id(1), now));
    }

    /// Two tabs that were away for eight milliseconds each time, so that one more is waited for as long.
    fn two_steady_tabs(start: Instant) -> (Arc<Tabs>, Instant, [Tab; 2]) {
        let tabs = Browsers::default().tabs(7, 0, start);
        let mut now = start;
        let mut both = [enter(&tabs, now), enter(&tabs, now)];
        for round in 1..10 {
            now += Duration::from_millis(100);
            assert!(both.iter().all(|tab| tab.may_have(id(round), now)));
            for tab in both {
                tab.answered(now);
            }
            now += Duration::from_millis(8);
            both = [enter(&tabs, now), enter(&tabs, now)];
        }
        (tabs, now, both)
    }

    #[test]
    fn a_tab_that_is_taken_for_another_is_counted_before_the_next_round() {
        let (tabs, mut now, [one, two]) = two_steady_tabs(Instant::now());
        now += Duration::from_millis(100);
        for tab in [one, two] {
            assert!(tab.may_have(id(20), now));
            tab.answered(now);
        }
        now += Duration::from_millis(8);
        // A third is opened before the second is back.
        let (one, three) = (enter(&tabs, now), enter(&tabs, now));
        assert!(!one.may_have(id(21), now + Duration::from_millis(3)));
        now += Duration::from_millis(5);
        let two = enter(&tabs, now);
        now += Duration::from_millis(10);
        for tab in [one, two, three] {
            assert!(tab.may_have(id(21), now));
            tab.answered(now);
        }
        let (one, _two) = (enter(&tabs, now), enter(&tabs, now));
        assert!(!one.may_have(id(22), now + PATIENCE / 2), "the third is away");
    }

    #[test]
    fn rounds_that_are_always_late_wait_for_unknown_tabs_once_in_a_while_only() {
        let (tabs, mut now, mut both) = two_steady_tabs(Instant::now());
        let mut waits = Vec::new();
        for round in 100..200 {
            let begun = now;
            while !both[0].may_have(id(round), now) {
                now += Duration::from_millis(1);
            }
            waits.push(!now.duration_since(begun).is_zero());
            for tab in both {
                tab.answered(now);
            }
            now += Duration::from_millis(8);
            both = [enter(&tabs, now), enter(&tabs, now)];
        }
        assert!(waits[..8].iter().all(|waited| *waited), "{waits:?}");
        let later = waits[10..].iter().filter(|waited| **waited).count();
        assert!((2..=6).contains(&later), "{later} of {}", waits.len());
    }

    #[test]
    fn browsers_that_ask_no_more_are_forgotten() {
        let (browsers, now) = (Browsers::default(), Instant::now());
        let waits = browsers.tabs(0, 0, now).enter(MessageId::ZERO, now);
        for number in 0..5000 {
            drop(browsers.tabs(number, 0, now).enter(MessageId::ZERO, now));
        }
        browsers.tabs(5000, 0, now + 2 * FORGET);
        for number in 5001..7000 {
            browsers.tabs(number, 0, now + 2 * FORGET);
        }
        let left = locked(&browsers.by_number).len();
        assert!(left <= 2001, "{left}");
        assert!(Arc::ptr_eq(&browsers.tabs(0, 0, now), &waits.tabs));
    }
}

//! What the application has said of requests like this one: `push_authorize_cache`.
//!
//! A verdict is found by a digest of everything the application could have judged by, so nobody gets
//! what somebody else was granted, and secrets are not kept.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http::{Response, StatusCode, header};

/// Verdicts that a worker keeps; the one that was not used for the longest goes first.
const VERDICTS: usize = 4096;
/// A refusal whose headers or body are longer is not kept, in bytes.
const KEPT_REFUSAL: usize = 4 << 10;

/// What a verdict is found by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key([u8; digest::SHA256_OUTPUT_LEN]);

impl Key {
    /// That of a request with all these parts; each counts with its length.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut key = Self([0; digest::SHA256_OUTPUT_LEN]);
        key.0.copy_from_slice(context.finish().as_ref());
        key
    }
}

/// What the application said of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served.
    Admitted,
    /// It is answered like this.
    Refused(Response<Bytes>),
}

impl Verdict {
    /// Whether it holds for the next request, too: a refusal may say that something went wrong, or
    /// belong to one answer alone.
    fn lasts(&self) -> bool {
        let Self::Refused(answer) = self else { return true };
        let headers = answer.headers();
        let length: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && !headers.contains_key(header::SET_COOKIE)
            && answer.body().len().max(length) <= KEPT_REFUSAL
    }
}

/// When verdicts hold, for all workers: those of one epoch do not in the next, and while somebody is sent
/// away none does.
#[derive(Debug, Default)]
pub struct Epochs(Mutex<Epoch>);

#[derive(Debug, Default)]
struct Epoch {
    number: u64,
    /// So many are sending somebody away.
    forgetting: usize,
}

/// Somebody is being sent away. When this is dropped it is done, and whoever comes again is asked about.
#[derive(Debug)]
pub struct Forgetting<'a>(&'a Epochs);

impl Epochs {
    /// The epoch, in which verdicts may be used and kept; `None`: whoever comes now is asked about, and what
    /// is said of it is not kept.
    pub fn now(&self) -> Option<u64> {
        let epoch = self.lock();
        (epoch.forgetting == 0).then_some(epoch.number)
    }

    /// Somebody is sent away from now on.
    pub fn forget(&self) -> Forgetting<'_> {
        let mut epoch = self.lock();
        epoch.number += 1;
        epoch.forgetting += 1;
        Forgetting(self)
    }

    fn lock(&self) -> MutexGuard<'_, Epoch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.0.lock().forgetting -= 1;
    }
}

/// The verdicts of a worker.
#[derive(Debug, Default)]
pub struct Verdicts {
    entries: HashMap<Key, Entry>,
    /// By when each was used last.
    order: BTreeMap<u64, Key>,
    uses: u64,
    epoch: u64,
}

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    ends: Instant,
    used: u64,
}

impl Verdicts {
    /// Forgets everything when the epoch is another one than before.
    pub fn renew(&mut self, epoch: u64) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }

    /// The verdict of a key, while it holds.
    pub fn find(&mut self, key: &Key, now: Instant) -> Option<Verdict> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        if entry.ends <= now {
            self.entries.remove(key);
            return None;
        }
        entry.used = self.uses;
        self.order.insert(self.uses, *key);
        Some(entry.verdict.clone())
    }

    /// Keeps a verdict, if it lasts, that was asked for in this epoch.
    pub fn keep(&mut self, key: Key, verdict: &Verdict, now: Instant, lasts: Duration, epoch: u64) {
        if !verdict.lasts() || epoch != self.epoch {
            return;
        }
        self.uses += 1;
        let verdict = verdict.clone();
        let entry = Entry { verdict, ends: now + lasts, used: self.uses };
        if let Some(earlier) = self.entries.insert(key, entry) {
            self.order.remove(&earlier.used);
        }
        self.order.insert(self.uses, key);
        if self.entries.len() > VERDICTS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn key(number: usize) -> Key {
        Key::of([&number.to_be_bytes()[..]])
    }

    fn refusal(status: u16, length: usize) -> Verdict {
        let answer = Response::builder().status(status).body(vec![b'x'; length].into());
        Verdict::Refused(answer.unwrap())
    }

    #[test]
    fn parts_are_told_apart() {
        assert_eq!(Key::of([&b"ab"[..], b"c"]), Key::of([&b"ab"[..], b"c"]));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""]] {
            assert_ne!(Key::of([&b"ab"[..], b"c"]), Key::of(other.iter().copied()));
        }
    }

    #[test]
    fn a_verdict_holds_for_its_time() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.keep(key(1), &Verdict::Admitted, now, MINUTE, 0);
        assert!(verdicts.find(&key(1), now + MINUTE / 2).is_some());
        assert!(verdicts.find(&key(2), now).is_none());
        assert!(verdicts.find(&key(1), now + MINUTE).is_none());
        assert!(verdicts.entries.is_empty() && verdicts.order.is_empty());
    }

    #[test]
    fn only_what_is_said_of_the_request_is_kept() {
        for (verdict, kept) in [
            (refusal(401, 10), true),
            (refusal(403, KEPT_REFUSAL), true),
            (refusal(403, KEPT_REFUSAL + 1), false),
            (refusal(302, 0), false),
            (refusal(503, 0), false),
        ] {
            let (mut verdicts, now) = (Verdicts::default(), Instant::now());
            verdicts.keep(key(1), &verdict, now, MINUTE, 0);
            assert_eq!(verdicts.find(&key(1), now).is_some(), kept, "{verdict:?}");
        }
    }

    #[test]
    fn the_one_that_is_unused_for_the_longest_goes_first() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        for number in 0..VERDICTS {
            verdicts.keep(key(number), &Verdict::Admitted, now, MINUTE, 0);
        }
        assert!(verdicts.find(&key(0), now).is_some());
        verdicts.keep(key(VERDICTS), &Verdict::Admitted, now, MINUTE, 0);
        assert!(verdicts.find(&key(0), now).is_some());
        assert!(verdicts.find(&key(1), now).is_none());
        assert_eq!((verdicts.entries.len(), verdicts.order.len()), (VERDICTS, VERDICTS));
    }

    #[test]
    fn whoever_is_asked_about_while_somebody_is_sent_away_is_asked_about_again() {
        let epochs = Epochs::default();
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        let asked_before = epochs.now().unwrap();
        let one = epochs.forget();
        assert_eq!(epochs.now(), None);
        let other = epochs.forget();
        drop(one);
        assert_eq!(epochs.now(), None);
        drop(other);
        let after = epochs.now().unwrap();
        verdicts.renew(after);
        // What is said now of a question from before is not kept either.
        verdicts.keep(key(1), &Verdict::Admitted, now, MINUTE, asked_before);
        assert!(verdicts.find(&key(1), now).is_none());
        verdicts.keep(key(1), &Verdict::Admitted, now, MINUTE, after);
        assert!(verdicts.find(&key(1), now).is_some());
    }

    #[test]
    fn what_was_asked_before_a_new_epoch_is_forgotten_and_not_kept_either() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.keep(key(1), &Verdict::Admitted, now, MINUTE, 0);
        verdicts.renew(1);
        verdicts.keep(key(2), &Verdict::Admitted, now, MINUTE, 0);
        assert!(verdicts.find(&key(1), now).is_none() && verdicts.find(&key(2), now).is_none());
        verdicts.renew(1);
        verdicts.keep(key(3), &Verdict::Admitted, now, MINUTE, 1);
        assert!(verdicts.find(&key(3), now).is_some());
    }
}

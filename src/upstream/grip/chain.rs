//! Pages that follow each other and do not hold.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{grip::Instruct, upstream::backoff::Backoff};

/// Pages without a byte that may follow each other.
const MAX_EMPTY: usize = 10;
/// Pages that bring nothing, and are followed at once, ...
const AT_ONCE: usize = 5;
/// ... before each of those that do is followed after a pause, ...
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// ... of this at most. An application that takes as long itself paces them well enough.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Pages that are followed at once, whatever they bring, ...
const FULL_AT_ONCE: u32 = 100;
/// ... and how long it takes until one more is.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// The pages of one client.
pub(super) struct Chain {
    empty: usize,
    /// Those in a row that brought nothing: they are empty, or what the one before was.
    idle: usize,
    /// What the last one was, and where it led.
    mark: Option<u64>,
    /// When the last one was asked for.
    asked: Instant,
    /// When as many could go at once again.
    rested: Instant,
    backoff: Backoff,
}

impl Chain {
    pub(super) fn new() -> Self {
        let (now, backoff) = (Instant::now(), Backoff::new(FIRST_PAUSE, MAX_PAUSE));
        Self { empty: 0, idle: 0, mark: None, asked: now, rested: now, backoff }
    }

    /// There is another page.
    pub(super) fn page(&mut self, instruct: &Instruct, body: &Bytes) {
        let mut hasher = DefaultHasher::new();
        (instruct.next.as_ref().map(|link| &link.uri), body).hash(&mut hasher);
        let mark = Some(hasher.finish());
        let idle = body.is_empty() || mark == self.mark;
        self.mark = mark;
        self.empty = if body.is_empty() { self.empty + 1 } else { 0 };
        self.idle = if idle { self.idle + 1 } else { 0 };
        if !idle {
            self.backoff.reset();
        }
    }

    /// Whether there is nothing to hope for any more.
    pub(super) fn is_endless(&self) -> bool {
        self.empty > MAX_EMPTY
    }

    /// How long the next page has to wait, which is asked for then.
    pub(super) fn pause(&mut self) -> Duration {
        let now = Instant::now();
        if now.duration_since(self.asked) >= MAX_PAUSE {
            (self.idle, self.rested) = (0, now);
            self.backoff.reset();
        }
        self.rested = self.rested.max(now) + FULL_PAUSE;
        let full = self.rested.duration_since(now + FULL_PAUSE * FULL_AT_ONCE);
        let idle = if self.idle > AT_ONCE { self.backoff.pause() } else { Duration::ZERO };
        let pause = full.max(idle);
        self.asked = now + pause;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::Link;

    fn leading_to(uri: &str) -> Instruct {
        let link = Link { uri: uri.into(), timeout: Duration::MAX };
        Instruct { next: Some(link), ..Instruct::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_bring_nothing_follow_at_once_for_a_while_and_then_slower_and_slower() {
        for body in ["", "same"] {
            let (mut chain, to_itself) = (Chain::new(), leading_to("/a"));
            let mut pause = |body: &'static str| {
                chain.page(&to_itself, &Bytes::from(body));
                chain.pause()
            };
            if !body.is_empty() {
                assert_eq!(pause(body), Duration::ZERO);
            }
            for _ in 0..AT_ONCE {
                assert_eq!(pause(body), Duration::ZERO);
            }
            for whole in [50, 100, 200, 400, 800, 1000, 1000] {
                let (pause, whole) = (pause(body), Duration::from_millis(whole));
                assert!((whole / 2..=whole).contains(&pause), "{pause:?} of {whole:?}");
                tokio::time::sleep(pause).await;
            }
            // It took its time by itself.
            tokio::time::sleep(MAX_PAUSE).await;
            assert_eq!(pause(body), Duration::ZERO);
            // And brings something.
            for _ in 0..2 * AT_ONCE {
                assert_eq!((pause("other"), pause(body)), (Duration::ZERO, Duration::ZERO));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_bring_something_follow_at_once_for_long() {
        let mut chain = Chain::new();
        let mut pause = |number: u32| {
            chain.page(&leading_to(&format!("/{number}")), &Bytes::from("page"));
            chain.pause()
        };
        for number in 0..FULL_AT_ONCE {
            assert_eq!(pause(number), Duration::ZERO, "{number}");
        }
        for number in 100..110 {
            let pause = pause(number);
            assert_eq!(pause, FULL_PAUSE);
            tokio::time::sleep(pause).await;
        }
        tokio::time::sleep(10 * FULL_PAUSE).await;
        for number in 200..210 {
            assert_eq!(pause(number), Duration::ZERO, "{number}");
        }
        assert_eq!(pause(210), FULL_PAUSE);
    }
}

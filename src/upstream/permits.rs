//! So many at a time, of one worker; others are turned away, or wait for their turn.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// For each that has its turn so many may wait for theirs.
const WAITING: usize = 16;

/// What there is a bounded number of.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    taken: Rc<Cell<usize>>,
    most: usize,
}

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Rc<Cell<usize>>);

impl Permits {
    /// So many.
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Rc::default(), most }
    }

    /// One, if there is one left.
    pub(super) fn take(&self) -> Option<Permit> {
        if self.taken.get() >= self.most {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Permit(self.taken.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Turns, in the order of coming.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    turns: Rc<Semaphore>,
    waiting: Permits,
}

impl Turns {
    /// So many at a time, and [`WAITING`] times as many who wait.
    pub(super) fn new(most: usize) -> Self {
        let turns = Rc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { turns, waiting: Permits::new(most.saturating_mul(WAITING)) }
    }

    /// A turn; none if too many wait already, or it does not come in time.
    pub(super) async fn turn(&self, patience: Duration) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let _waiting = self.waiting.take()?;
        timeout(patience, self.turns.acquire()).await.ok()?.ok()
    }

    /// A turn, whenever it comes: for those whose number is bounded otherwise.
    pub(super) async fn any_time(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_each_comes_back() {
        let permits = Permits::new(2);
        let (one, two) = (permits.take(), permits.clone().take());
        assert!(one.is_some() && two.is_some() && permits.take().is_none());
        drop(one);
        assert!(permits.take().is_some());
    }

    #[tokio::test]
    async fn turns_come_in_order_and_too_many_do_not_wait() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let turns = Turns::new(1);
        let first = turns.turn(PATIENCE).await.unwrap();
        let mut waits: Vec<_> = (0..WAITING).map(|_| Box::pin(turns.turn(PATIENCE))).collect();
        for one in &mut waits {
            assert!(by_now(one).await.is_none());
        }
        assert!(turns.turn(PATIENCE).await.is_none());
        drop(first);
        let second = waits.remove(0).await;
        assert!(second.is_some() && by_now(&mut waits[0]).await.is_none());
        assert!(turns.turn(Duration::ZERO).await.is_none());
    }

    /// What there is of it by now.
    async fn by_now<T>(one: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        std::future::poll_fn(|cx| {
            let polled = std::pin::Pin::new(&mut *one).poll(cx);
            std::task::Poll::Ready(match polled {
                std::task::Poll::Ready(done) => Some(done),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}

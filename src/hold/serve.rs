//! From a worker's start to its end: turns, sleep, goodbye.

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::OwnedFd,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{io::unix::AsyncFd, task::LocalSet};

use super::{Handler, Listener, Worker, wire::watch};
use crate::allocator::keep_flushed;

/// What is said at last may take so long at least.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<H: Handler> Worker<H> {
    /// Serves until `shutdown`, then says goodbye and waits for what is under way, at most
    /// `patience` long.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = ()> + 'static,
        patience: Duration,
    ) -> io::Result<()> {
        let shared = self.shared.clone();
        shared.hall.borrow_mut().send_batch.make();
        let tasks = LocalSet::new();
        tasks.spawn_local(async move {
            shutdown.await;
            shared.closing.send_replace(true);
            shared.handler.closing();
            shared.changed.notify_one();
        });
        tasks.spawn_local(keep_flushed());
        tasks.run_until(self.serve_all(patience)).await
    }

    /// Serves, and sees to it that those who are still there at the end are not forgotten.
    async fn serve_all(&mut self, patience: Duration) -> io::Result<()> {
        let deadline = self.serve(patience).await?;
        self.shared.hall.borrow_mut().dismiss_guests();
        let deadline = deadline.max(Instant::now() + LAST_WORDS);
        let settled = self.shared.handler.settled();
        // What cannot be said by then is not said.
        let _ = tokio::time::timeout_at(deadline.into(), settled).await;
        Ok(())
    }

    /// Returns when time is up for what is under way.
    async fn serve(&mut self, patience: Duration) -> io::Result<Instant> {
        let epoll = watch(self.shared.hall.borrow().epoll.clone())?;
        let mut deadline: Option<Instant> = None;
        loop {
            let busy = self.turn()?;
            match deadline {
                None if *self.shared.closing.borrow() => {
                    deadline = Some(Instant::now() + patience);
                    self.say_goodbye();
                }
                Some(deadline) if self.done() || deadline <= Instant::now() => return Ok(deadline),
                _ if busy => tokio::task::yield_now().await,
                _ => self.sleep(&epoll, deadline).await?,
            }
        }
    }

    /// Waits until there is something to do.
    async fn sleep(
        &self,
        epoll: &AsyncFd<Rc<OwnedFd>>,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        let hall = &self.shared.hall;
        let rests = self.listeners.iter().filter_map(Listener::rests_until);
        let pause = hall.borrow().pauses.front().map(|(ends, _)| *ends);
        let next = rests.chain(hall.borrow().wheel.next()).chain(deadline).chain(pause).min();
        let far = Instant::now() + Duration::from_hours(1);
        let mut timer = pin!(tokio::time::sleep_until(next.unwrap_or(far).into()));
        let mut changed = pin!(self.shared.changed.notified());
        poll_fn(|cx| {
            if let Poll::Ready(ready) = epoll.poll_read_ready(cx) {
                ready?.clear_ready();
                return Poll::Ready(Ok(()));
            }
            let woken = timer.as_mut().poll(cx).is_ready()
                || changed.as_mut().poll(cx).is_ready()
                || !hall.borrow().mailbox.sleep(cx);
            if woken { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }
}

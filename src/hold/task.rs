//! A connection whose request has to wait: a task with hyper in it.

use std::{os::fd::OwnedFd, rc::Rc};

use super::{
    Client, Follow, Handler, Talk,
    complete::complete,
    exchange::{Exchange, Step},
    head::Persistence,
    reply::reply,
    tunnel,
    wire::Wire,
    worker::Shared,
};

/// Goes on with an exchange that has to wait; then the socket comes back to the hall.
pub(super) async fn run<H: Handler>(
    running: Running<H>,
    mut exchange: Exchange<H>,
    client: Client,
) {
    let shared = &running.0;
    let began = exchange.wire().become_task().is_ok();
    let step = if began { complete(&mut exchange, shared).await } else { Step::Closed };
    let (fd, rest) = exchange.finish();
    match (fd, step) {
        (Some(fd), Step::Tunnel(tunnel)) => {
            let wire = Wire::new(fd, rest);
            if wire.become_task().is_ok() {
                tunnel::run(wire, *tunnel, shared.closing()).await;
            }
            shared.tally.closed.add(1);
        }
        (Some(fd), Step::Converse(converse)) => {
            let wire = Wire::new(fd, rest);
            if wire.become_task().is_ok() {
                let mut talk = Talk::new(wire);
                if talk.agree(converse.headers, converse.entry).await.is_ok() {
                    (converse.run)(shared.door(), talk).await;
                }
            }
            shared.tally.closed.add(1);
        }
        (Some(fd), Step::Follow(follow, persistence)) => {
            let wire = Wire::new(fd, rest);
            // This task has room for hyper.
            tokio::task::spawn_local(follower(running, wire, client, follow, persistence));
        }
        (Some(fd), step) => come_back(shared, fd, client, step, rest),
        (None, _) => shared.tally.closed.add(1),
    }
}

/// Answers a request that waits in a way of its own; then the socket comes back to the hall.
async fn follower<H>(
    running: Running<H>,
    wire: Wire,
    client: Client,
    follow: Follow,
    persistence: Persistence,
) {
    let shared = running.shared();
    let step = match wire.become_task() {
        Ok(()) => reply(shared, &wire, client, follow, persistence).await,
        Err(_) => Step::Closed,
    };
    match wire.take() {
        (Some(fd), rest) => come_back(shared, fd, client, step, rest),
        (None, _) => shared.tally.closed.add(1),
    }
}

/// Counts a task as long as it exists, however it ends.
pub(super) struct Running<H>(Rc<Shared<H>>);

impl<H> Running<H> {
    pub(super) fn new(shared: Rc<Shared<H>>) -> Self {
        shared.tasks.set(shared.tasks.get() + 1);
        Self(shared)
    }

    pub(super) fn shared(&self) -> &Shared<H> {
        &self.0
    }
}

impl<H> Drop for Running<H> {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
        self.0.changed.notify_one();
    }
}

fn come_back<H>(shared: &Shared<H>, fd: OwnedFd, client: Client, step: Step, rest: Vec<u8>) {
    let mut hall = shared.hall.borrow_mut();
    hall.now = std::time::Instant::now();
    if let Some(key) = hall.adopt(fd, client) {
        hall.settle(key, step, rest);
    }
}

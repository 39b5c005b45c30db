//! Bytes from a connection: a request, more than it should send, or its end.

use std::{
    os::fd::OwnedFd,
    rc::Rc,
    task::{Context, Waker},
};

use rustix::event::epoll;

use super::{
    Client, Handler, Talk, Worker,
    complete::complete,
    exchange::{Begun, Exchange, Step},
    head,
    held::Phase,
    incoming, tunnel,
    wire::{AHEAD, Wire},
    worker::Shared,
};
use crate::{log, response::Refusal};

impl<H: Handler> Worker<H> {
    /// There is something to read, if only the end.
    pub(super) fn readable(&mut self, key: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = self.shared.hall.borrow_mut().receive(key, &mut buffer);
        match received {
            None => {}
            Some(Ok(length @ 1..)) => self.received(key, &buffer[..length]),
            Some(_) => self.ended(key),
        }
        self.buffer = buffer;
    }

    fn received(&mut self, key: u32, bytes: &[u8]) {
        let mut hall = self.shared.hall.borrow_mut();
        let Some(held) = hall.held.get_mut(key as usize) else { return };
        match held.phase {
            Phase::Idle => {
                drop(hall);
                self.input(key, bytes);
            }
            Phase::Proxied => {
                let rest = hall.introduced(key, bytes);
                drop(hall);
                if let Some(rest) = rest {
                    self.input(key, &rest);
                }
            }
            Phase::Held if held.is_socket() && !held.has_input() => {
                drop(hall);
                self.frames(key, bytes);
            }
            // After the last answer nothing is a request.
            Phase::Held | Phase::Ending if held.close => {}
            Phase::Held | Phase::Ending => {
                let input = &mut held.rare().input;
                input.extend_from_slice(bytes);
                if input.len() >= AHEAD {
                    held.deaf = true;
                    hall.arm(key);
                }
            }
            Phase::Lingering => {}
        }
    }

    /// The client sends nothing more.
    pub(super) fn ended(&mut self, key: u32) {
        let mut hall = self.shared.hall.borrow_mut();
        let Some(held) = hall.held.get_mut(key as usize) else { return };
        let input = held.rare.as_ref().is_some_and(|rare| !rare.input.is_empty());
        match held.phase {
            // It may have closed only its side: what it asked for is still answered.
            Phase::Ending => held.eof = true,
            Phase::Idle if input => {
                held.eof = true;
                hall.ready.push(key);
            }
            // What it has sent before is taken, then there is nobody left to send to.
            Phase::Held if held.is_socket() && held.has_work() => {
                held.eof = true;
                return hall.look_away(key);
            }
            _ => return hall.close(key),
        }
        hall.arm(key);
    }

    /// Connections that are free again go on with what they have received meanwhile.
    pub(super) fn run_ready(&mut self) {
        let ready = std::mem::take(&mut self.shared.hall.borrow_mut().ready);
        for key in ready {
            let mut hall = self.shared.hall.borrow_mut();
            let Some(held) = hall.held.get_mut(key as usize) else { continue };
            if held.phase == Phase::Held && held.is_socket() {
                drop(hall);
                self.resume(key);
                continue;
            }
            if held.phase != Phase::Idle {
                continue;
            }
            let Some(rare) = &mut held.rare else { continue };
            let input = std::mem::take(&mut rare.input);
            held.tidy();
            drop(hall);
            if !input.is_empty() {
                self.input(key, &input);
            }
        }
    }

    /// Bytes of a request: kept until its head is complete, then hyper runs over them, unless they
    /// are all there is to a simple one.
    fn input(&mut self, key: u32, bytes: &[u8]) {
        if self.direct(key, bytes) {
            return;
        }
        let mut hall = self.shared.hall.borrow_mut();
        let Some(held) = hall.held.get_mut(key as usize) else { return };
        let listener = usize::from(held.client.listener);
        let mut input =
            held.rare.as_mut().map(|rare| std::mem::take(&mut rare.input)).unwrap_or_default();
        held.tidy();
        let seen = input.len();
        // Empty lines before a request are nothing (RFC 9112 section 2.2).
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        input.extend_from_slice(if seen == 0 { &bytes[blank..] } else { bytes });
        let listening = &hall.listening[listener];
        let (patience, most) = (listening.header_timeout, listening.max_header_size);
        if input.is_empty() {
            if hall.held[key as usize].eof {
                hall.close(key);
            }
            return;
        }
        match incoming::is_whole(&input, seen, most) {
            Ok(true) => {
                drop(hall);
                return self.exchange(key, input, None);
            }
            Ok(false) => {}
            Err(refusal) => return hall.refuse(key, &refusal),
        }
        if hall.held[key as usize].eof {
            return hall.close(key);
        }
        if seen == 0 {
            hall.set_deadline(key, Some(patience));
        }
        hall.held[key as usize].rare().input = input;
    }

    /// Runs hyper over bytes in hand; `begun` is the answer to the first request in them, if there
    /// is one already.
    pub(super) fn exchange(&mut self, key: u32, input: Vec<u8>, begun: Option<Begun>) {
        let mut hall = self.shared.hall.borrow_mut();
        let Some(held) = hall.held.get_mut(key as usize) else { return };
        let Some(fd) = held.fd.take() else { return };
        let client = held.client;
        drop(hall);
        let builder = &self.shared.builders[usize::from(client.listener)];
        let mut exchange = Exchange::new(&self.shared, builder, fd, input, client, begun);
        let step = exchange.poll(&mut Context::from_waker(Waker::noop()));
        let mut hall = self.shared.hall.borrow_mut();
        if matches!(step, Step::Wait) {
            exchange.wire().with_fd(|fd| epoll::delete(&*hall.epoll, fd));
            hall.part(key);
            drop(hall);
            let running = Running::new(self.shared.clone());
            tokio::task::spawn_local(task(running, exchange, client));
            return;
        }
        drop(hall);
        let (fd, rest) = exchange.finish();
        let mut hall = self.shared.hall.borrow_mut();
        hall.held[key as usize].fd = fd;
        hall.settle(key, step, rest);
    }
}

/// Goes on with an exchange that has to wait; then the socket comes back to the hall.
async fn task<H: Handler>(running: Running<H>, mut exchange: Exchange<H>, client: Client) {
    let shared = &running.0;
    let step = match exchange.wire().become_task() {
        Ok(()) => complete(&mut exchange, shared).await,
        Err(_) => Step::Closed,
    };
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
        (Some(fd), step) => come_back(shared, fd, client, step, rest),
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

impl super::hall::Hall {
    /// What a connection does after an exchange; `rest` is what it has sent ahead.
    pub(super) fn settle(&mut self, key: u32, step: Step, rest: Vec<u8>) {
        if !rest.is_empty() {
            self.held[key as usize].rare().input = rest;
        }
        match step {
            Step::Idle => self.idle(key),
            // A client that has closed its side does not wait.
            Step::Hold(..) if self.held[key as usize].eof => self.close(key),
            Step::Hold(holding, persistence) => {
                if persistence.close && holding.outlet.socket.is_none() {
                    self.held[key as usize].rare = None;
                }
                self.hold(key, *holding, persistence);
                self.begin_frames(key);
                if self.closing {
                    self.say_goodbye_to(key);
                }
            }
            // What leaves HTTP follows an answer of the application, and only a task can wait for that.
            Step::Wait | Step::Closed | Step::Tunnel(_) | Step::Converse(_) => self.linger(key),
        }
    }

    /// Answers a request that never reached hyper, and closes.
    pub(super) fn refuse(&mut self, key: u32, refusal: &Refusal) {
        let held = &mut self.held[key as usize];
        let client = held.client;
        held.close = true;
        held.rare = None;
        let answer = head::refusal(refusal);
        self.tally.answered(refusal.status());
        log::malformed(client.peer, refusal.status());
        let super::hall::Sent::Bytes(sent) = self.send(key, &answer) else {
            return self.close(key);
        };
        self.end(key, answer.slice(sent..));
    }
}

//! Bytes from a connection: a request, more than it should send, or its end.

use std::task::{Context, Waker};

use rustix::event::epoll;

use super::{
    Handler, Worker,
    exchange::{Begun, Exchange, Step},
    head,
    held::Phase,
    incoming,
    task::{Running, run},
    wire::AHEAD,
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
            // Its turn comes when what it has sent before is looked at.
            Phase::Idle if held.is_ready() => hall.read_ahead(key, bytes),
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
                // What came before is published before.
                self.answer_asked();
                self.frames(key, bytes);
            }
            // After the last answer nothing is a request.
            Phase::Held | Phase::Ending if held.close => {}
            Phase::Held | Phase::Ending => hall.read_ahead(key, bytes),
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
                self.answer_asked();
                self.resume(key);
                continue;
            }
            if held.phase != Phase::Idle {
                continue;
            }
            let Some(rare) = &mut held.rare else { continue };
            let input = std::mem::take(&mut rare.input);
            rare.ready = false;
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
        // Requests are answered in the order in which they came.
        self.answer_asked();
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
        let most = hall.listening[listener].max_header_size;
        if input.is_empty() {
            if hall.held[key as usize].eof {
                hall.close(key);
            }
            return;
        }
        match incoming::is_whole(&input, seen, most) {
            Ok(true) => {
                drop(hall);
                self.exchange(key, input, None);
            }
            Ok(false) => hall.wait_for_head(key, input, seen > 0),
            Err(refusal) => hall.refuse(key, &refusal),
        }
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
            tokio::task::spawn_local(run(running, exchange, client));
            return;
        }
        drop(hall);
        let (fd, rest) = exchange.finish();
        let mut hall = self.shared.hall.borrow_mut();
        hall.held[key as usize].fd = fd;
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
            Step::Wait | Step::Closed | Step::Follow(..) | Step::Tunnel(_) | Step::Converse(_) => {
                self.linger(key);
            }
        }
    }

    /// Waits for the rest of a head, of which this is there; `waits` says that it has waited before.
    fn wait_for_head(&mut self, key: u32, input: Vec<u8>, waits: bool) {
        let held = &mut self.held[key as usize];
        if held.eof {
            return self.close(key);
        }
        held.rare().input = input;
        if !waits {
            let listener = usize::from(held.client.listener);
            self.set_deadline(key, Some(self.listening[listener].header_timeout));
        }
        self.listen_again(key);
    }

    /// Keeps what a client sends before it is its turn; what is too much stays with the kernel.
    fn read_ahead(&mut self, key: u32, bytes: &[u8]) {
        let held = &mut self.held[key as usize];
        let input = &mut held.rare().input;
        input.extend_from_slice(bytes);
        if input.len() >= AHEAD {
            held.deaf = true;
            self.arm(key);
        }
    }

    /// Reads again, where too much had been sent ahead.
    pub(super) fn listen_again(&mut self, key: u32) {
        if std::mem::take(&mut self.held[key as usize].deaf) {
            self.arm(key);
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

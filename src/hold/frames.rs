//! Frames from the clients of WebSockets: decoded as they come, their messages handed on one after
//! another.
//!
//! While a message is being taken nothing more is read, so that its successors wait where they cost
//! nothing of ours.

use std::task::{Context, Poll, Waker};

use rustix::event::epoll::EventData;

use super::{
    Handler, Incoming, Received, Worker, socket::NOT_TAKEN, task::Running, worker::HallCell,
};
use crate::{
    response::Refusal,
    websocket::{Event, Opcode, close, code, encode},
};

/// Frames looked at before the worker serves everyone else.
const FRAMES: usize = 256;
/// Whether to go on with the frames of a connection.
enum Next {
    Frame,
    /// A message is being taken.
    Later,
    /// The connection ends.
    Nothing,
}

impl<H: Handler> Worker<H> {
    /// Bytes from the client of a WebSocket.
    pub(super) fn frames(&mut self, key: u32, bytes: &[u8]) {
        let mut hall = self.shared.hall.borrow_mut();
        let Some((mut decoder, limits)) = hall.decoder(key) else { return };
        drop(hall);
        let mut input = bytes;
        for _ in 0..FRAMES {
            let next = match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => self.event_of(key, event, limits),
                Err(violation) => {
                    self.shared.hall.borrow_mut().violated(key, &violation);
                    Next::Nothing
                }
            };
            match next {
                Next::Frame => {}
                Next::Later => break,
                Next::Nothing => return,
            }
        }
        self.shared.hall.borrow_mut().keep(key, decoder, input);
    }

    fn event_of(&mut self, key: u32, event: Event, limits: Incoming) -> Next {
        let (body, binary) = match event {
            Event::Text(body) => (body, false),
            Event::Binary(body) => (body, true),
            Event::Ping(payload) => {
                let mut hall = self.shared.hall.borrow_mut();
                hall.pong(key, encode(Opcode::Pong, false, &payload));
                return if hall.held.get(key as usize).is_some() {
                    Next::Frame
                } else {
                    Next::Nothing
                };
            }
            Event::Pong(_) => return Next::Frame,
            Event::Close(said) => {
                let answer = said
                    .map_or_else(|| encode(Opcode::Close, false, b""), |(code, _)| close(code, ""));
                self.shared.hall.borrow_mut().hang_up(key, &answer);
                return Next::Nothing;
            }
        };
        self.take(key, Received { body, binary }, limits)
    }

    fn take(&mut self, key: u32, message: Received, limits: Incoming) -> Next {
        let mut hall = self.shared.hall.borrow_mut();
        let Some(inbound) = hall.inbound(key) else {
            if limits.ignores {
                return Next::Frame;
            }
            hall.hang_up(key, &close(code::POLICY, NOT_TAKEN));
            return Next::Nothing;
        };
        drop(hall);
        let mut taking = inbound.take(message);
        match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(reply)) => {
                let mut hall = self.shared.hall.borrow_mut();
                if hall.reply(key, reply) { Next::Frame } else { Next::Nothing }
            }
            Poll::Ready(Err(refusal)) => {
                self.shared.hall.borrow_mut().refused(key, &refusal);
                Next::Nothing
            }
            Poll::Pending => {
                let data = self.shared.hall.borrow_mut().begin_taking(key);
                let Some(data) = data else { return Next::Nothing };
                let running = Running::new(self.shared.clone());
                tokio::task::spawn_local(async move {
                    let taken = taking.await;
                    finish(&running, data, taken);
                });
                Next::Later
            }
        }
    }

    /// Goes on with the frames that had to wait.
    pub(super) fn resume(&mut self, key: u32) {
        let input = self.shared.hall.borrow_mut().waiting_input(key);
        if let Some(input) = input {
            self.frames(key, &input);
        }
    }
}

/// A message has been taken, or not.
fn finish<H>(running: &Running<H>, data: EventData, taken: Result<Option<Received>, Refusal>) {
    let hall: &HallCell = &running.shared().hall;
    let mut hall = hall.borrow_mut();
    let Some(key) = hall.find(data) else { return };
    match taken {
        Ok(reply) => {
            if !hall.reply(key, reply) {
                return;
            }
        }
        Err(refusal) => return hall.refused(key, &refusal),
    }
    hall.end_taking(key);
}

//! One subscriber while bytes come: each message is checked, counted and timed.

use super::{
    crowd::{Heard, Plan},
    faults::Fault,
    ledger::{Came, Ledger},
    payload::{self, Mint},
    reader::Hear,
    transport::Transport,
};
use crate::websocket::{Opcode, encode_masked};

/// A subscriber, and all that its messages concern.
pub(super) struct Hearing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) mint: &'a Mint,
    pub(super) heard: &'a mut Heard,
    pub(super) ledger: &'a mut Ledger,
    /// When it began to connect, until it is on.
    pub(super) since: &'a mut Option<u64>,
    /// Its number among all subscribers.
    pub(super) number: u32,
    pub(super) now: u64,
    /// What is to be sent in return.
    pub(super) reply: &'a mut Vec<u8>,
    /// The header lines that ask for what comes next, where it asks at intervals.
    pub(super) cursor: &'a mut Box<[u8]>,
    /// It is to ask later.
    pub(super) rests: bool,
}

impl Hearing<'_> {
    fn channel(&self) -> u32 {
        self.number % self.plan.channels
    }

    fn fault(&mut self, fault: Fault, what: &str, bytes: &[u8]) {
        let number = self.number;
        let words = || format!("subscriber {number}: {what}: {}", payload::shown(bytes));
        self.heard.faults.add(fault, words);
    }
}

impl Hear for Hearing<'_> {
    fn opened(&mut self) {
        if let Some(since) = self.since.take() {
            self.heard.opening.record(self.now.saturating_sub(since));
            self.heard.opened += 1;
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        self.heard.faults.checked += 1;
        let told = match self.mint.check(bytes, self.channel()) {
            Ok(told) => told,
            Err(wrong) => return self.fault(wrong.fault(), wrong.words(), bytes),
        };
        match self.ledger.take(told.sequence, told.again) {
            Came::Again => return self.fault(Fault::Doubled, "once more", bytes),
            Came::Unsure => {
                self.heard.faults.unsure += 1;
                return;
            }
            Came::Late => self.fault(Fault::Inverted, "after a later one", bytes),
            Came::New(given_up) => {
                let number = self.number;
                self.heard.faults.lose(given_up, || {
                    format!("subscriber {number}: {given_up} messages long before this")
                });
            }
        }
        self.heard.rounds.hear(told.sequence);
        if told.sequence >= self.plan.measured_from {
            self.heard.latency.record(self.now.saturating_sub(told.due));
        }
    }

    fn nothing(&mut self) {
        self.rests = true;
    }

    fn answered(&mut self, cursor: &[u8]) {
        if self.plan.transport == Transport::IntervalPoll {
            *self.cursor = cursor.into();
        }
        let channel = self.mint.channel(self.channel());
        let Plan { transport, target, headers, .. } = self.plan;
        transport.write_request(self.reply, target, &channel, headers, cursor);
    }

    fn ping(&mut self, bytes: &[u8]) {
        // A key of zeros is one as good as any: nothing here is secret.
        self.reply.extend_from_slice(&encode_masked(Opcode::Pong, bytes, [0; 4]));
    }
}

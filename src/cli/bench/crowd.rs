//! The subscribers of one process.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use serde::{Deserialize, Serialize};

use super::{
    clock, dial,
    faults::{Fault, Faults},
    hearing::Hearing,
    histogram::Histogram,
    later::Later,
    payload::Mint,
    reader::{Broken, Use},
    rounds::Rounds,
    seat::Seat,
    target::Target,
    transport::Transport,
    watch::{self, Ready, Watch},
};

/// Who listens to what.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) transport: Transport,
    /// Header lines of each request.
    pub(super) headers: String,
    /// See [`Mint`].
    pub(super) run: String,
    pub(super) bytes: usize,
    pub(super) channels: u32,
    /// The number of the first subscriber; each listens to its number modulo the channels.
    pub(super) first: u32,
    pub(super) count: u32,
    /// See [`dial::dial`].
    pub(super) net: u8,
    /// Connections begun in a second.
    pub(super) rate: u32,
    /// The first message of a channel whose time counts.
    pub(super) measured_from: u32,
}

#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) plan: Plan,
    mint: Mint,
    watch: Watch,
    seats: Vec<Seat>,
    /// Who is to ask later; none: nobody does.
    later: Option<Later>,
    gathering_since: Option<u64>,
    buffer: Vec<u8>,
    reply: Vec<u8>,
    pub(super) heard: Heard,
}

/// What is known of all subscribers.
#[derive(Debug)]
pub(super) struct Heard {
    /// From the due time of a message to its arrival.
    pub(super) latency: Histogram,
    /// From connecting to the response head.
    pub(super) opening: Histogram,
    pub(super) faults: Faults,
    pub(super) rounds: Rounds,
    /// Subscribers that are on.
    pub(super) opened: u32,
    /// Subscribers that are no more.
    pub(super) gone: u32,
}

/// One read, in bytes.
const READ: usize = 64 << 10;
/// Subscribers that are not on yet.
const PENDING: u32 = 512;
/// The key of the timer, which no seat has.
const TIMER: u32 = u32::MAX;

impl Crowd {
    pub(super) fn new(plan: Plan) -> io::Result<Self> {
        let watch = Watch::new()?;
        let at_intervals = plan.transport == Transport::IntervalPoll;
        Ok(Self {
            mint: Mint::new(&plan.run, plan.bytes),
            later: at_intervals.then(|| Later::new(&watch, TIMER)).transpose()?,
            watch,
            seats: Vec::with_capacity(usize::try_from(plan.count).unwrap_or_default()),
            gathering_since: None,
            buffer: vec![0; READ],
            reply: Vec::new(),
            heard: Heard {
                latency: Histogram::default(),
                opening: Histogram::default(),
                faults: Faults::default(),
                rounds: Rounds::new(plan.count),
                opened: 0,
                gone: 0,
            },
            plan,
        })
    }

    /// What is readable when there is something to do.
    pub(super) fn readiness(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Whether everyone has come, or has gone again.
    pub(super) fn gathered(&self) -> bool {
        self.seats.len() == self.plan.count as usize
            && self.heard.opened + self.heard.gone >= self.plan.count
    }

    /// Begins connections as the rate allows.
    pub(super) fn gather(&mut self) {
        let now = clock::now();
        let since = *self.gathering_since.get_or_insert(now);
        let allowed = u128::from(now - since) * u128::from(self.plan.rate) / 1_000_000_000 + 1;
        while (self.seats.len() as u128) < allowed.min(u128::from(self.plan.count)) {
            let begun = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
            let pending = begun.saturating_sub(self.heard.opened + self.heard.gone);
            if pending >= PENDING {
                return;
            }
            self.begin(begun);
        }
    }

    fn begin(&mut self, number: u32) {
        let begun = clock::now();
        let dialled = dial::dial(self.plan.target.address(), self.plan.net, number);
        let registered = dialled.and_then(|fd| {
            self.watch.add(&fd, number)?;
            Ok(fd)
        });
        let (fd, failed) = match registered {
            Ok(fd) => (Some(fd), None),
            Err(error) => (None, Some(error)),
        };
        self.seats.push(Seat::new(fd, begun));
        if let Some(error) = failed {
            self.give_up(number, Fault::Refused, &error.to_string());
        }
    }

    /// Handles what has come; returns whether there may be more.
    pub(super) fn turn(&mut self) -> io::Result<bool> {
        let all = self.watch.wait(0)?;
        for ready in &all {
            if ready.key == TIMER {
                self.ask_again()?;
            } else {
                self.ready(*ready);
            }
        }
        Ok(all.len() == watch::MOST)
    }

    fn ready(&mut self, ready: Ready) {
        let Some(seat) = self.seats.get_mut(ready.key as usize) else { return };
        if !seat.asked && ready.writable {
            self.ask(ready.key);
        }
        if ready.readable {
            while self.read(ready.key, ready.ends) {}
        }
    }

    /// Asks for whom nothing was there a while ago.
    fn ask_again(&mut self) -> io::Result<()> {
        self.later.as_ref().map_or(Ok(()), Later::ticked)?;
        while let Some(number) = self.later.as_mut().and_then(Later::next) {
            self.ask(number);
        }
        Ok(())
    }

    /// Sends a request.
    fn ask(&mut self, number: u32) {
        let plan = &self.plan;
        let channel = self.mint.channel((plan.first + number) % plan.channels);
        self.reply.clear();
        let out = &mut self.reply;
        let seat = &mut self.seats[number as usize];
        plan.transport.write_request(out, &plan.target, &channel, &plan.headers, &seat.cursor);
        seat.asked = true;
        match self.send(number) {
            // Nothing more is known of it until there is a message.
            Ok(()) if self.plan.transport == Transport::LongPoll => {
                self.seats[number as usize].since = None;
                self.heard.opened += 1;
            }
            Ok(()) => {}
            Err(_) => self.give_up(number, Fault::Refused, "takes no request"),
        }
    }

    /// Reads once; returns whether to read again: there may be more, or the end.
    fn read(&mut self, number: u32, ends: bool) -> bool {
        let seat = &mut self.seats[number as usize];
        let Some(fd) = &seat.fd else { return false };
        let read = dial::read(fd, &mut self.buffer);
        seat.answered |= matches!(read, Ok(Some(1..)));
        let broken = match read {
            Ok(None) => return false,
            Ok(Some(0)) => seat.reader.ended(),
            Ok(Some(length)) => match self.feed(number, length) {
                Ok(()) => return ends || length == READ,
                Err(broken) => broken,
            },
            Err(error) if seat.since.is_some() => Broken::Refused(error.to_string()),
            Err(error) => Broken::Closed(error.to_string()),
        };
        self.give_up(number, broken.fault(), &broken.to_string());
        false
    }

    /// Takes apart what is in the buffer, and answers what wants an answer.
    fn feed(&mut self, number: u32, length: usize) -> Result<(), Broken> {
        self.reply.clear();
        let seat = &mut self.seats[number as usize];
        let mut hearing = Hearing {
            plan: &self.plan,
            mint: &self.mint,
            heard: &mut self.heard,
            ledger: &mut seat.ledger,
            since: &mut seat.since,
            number: self.plan.first + number,
            now: clock::now(),
            reply: &mut self.reply,
            cursor: &mut seat.cursor,
            rests: false,
        };
        let used = Use::Listen(self.plan.transport);
        seat.reader.feed(&self.buffer[..length], used, &mut hearing)?;
        if let (true, Some(later)) = (hearing.rests, &mut self.later) {
            later.put(number);
        }
        self.send(number)
    }

    /// Sends a request or a pong, which an idle socket takes as a whole.
    fn send(&mut self, number: u32) -> Result<(), Broken> {
        let Some(fd) = &self.seats[number as usize].fd else { return Ok(()) };
        if self.reply.is_empty() {
            return Ok(());
        }
        match dial::write(fd, &self.reply) {
            Ok(sent) if sent == self.reply.len() => Ok(()),
            Ok(_) => Err(Broken::Closed("takes no request".to_owned())),
            Err(error) => Err(Broken::Closed(error.to_string())),
        }
    }

    fn give_up(&mut self, number: u32, fault: Fault, why: &str) {
        let seat = &mut self.seats[number as usize];
        seat.fd = None;
        if seat.since.is_none() {
            self.heard.opened -= 1;
        }
        self.heard.gone += 1;
        let number = self.plan.first + number;
        self.heard.faults.add(fault, || format!("subscriber {number}: {why}"));
    }

    /// Closes all connections and counts what has not come of so many messages to each channel.
    pub(super) fn finish(&mut self, published: &[u32]) {
        for (number, seat) in self.seats.iter_mut().enumerate() {
            // What has not come to one that is gone is no fault beside that.
            let Some(fd) = seat.fd.take() else { continue };
            dial::reset(fd);
            let number = self.plan.first + u32::try_from(number).unwrap_or_default();
            let channel = number % self.plan.channels;
            let published = published.get(channel as usize).copied().unwrap_or_default();
            let missing = seat.ledger.missing(published);
            // A poll that the server has not even accepted looks like one that waits.
            let never = if seat.answered { "" } else { "the request was never answered: " };
            self.heard.faults.lose(missing, || {
                format!(
                    "subscriber {number}: {never}{missing} of {published} messages have not come"
                )
            });
        }
    }
}

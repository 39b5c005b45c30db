//! Keep-alive connections that publish, one message at a time each, of which the [`Series`] says which.
//!
//! A server may close a connection that has nothing to do at any time, also just when it is asked
//! something (RFC 9112 section 9.3.1). So a request on a connection that has been answered before is sent
//! once more on another when that one ends without a byte of an answer; when the other ends too, it is a
//! fault. Whether the server has taken the first sending nobody knows: the second says of itself
//! what it is ([`super::payload`]), and where both come that is counted, and is no fault
//! ([`super::ledger`]). Its time counts from when it was due, as ever.

use std::{
    io::{self, ErrorKind},
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use super::{
    clock, dial,
    faults::{Fault, Faults},
    histogram::Histogram,
    letter::{Letter, Manner},
    payload::{Mint, Told},
    post::{Answered, Post},
    reader::{Broken, Reader, Use},
    series::Series,
    watch::Watch,
};

#[derive(Debug)]
pub(super) struct Publishers {
    letter: Letter,
    /// The first message of a channel whose answer is timed.
    measured_from: u32,
    watch: Watch,
    posts: Vec<Post>,
    buffer: Vec<u8>,
    series: Series,
    /// Messages sent to each channel.
    pub(super) counts: Vec<u32>,
    /// Messages that the server has accepted.
    pub(super) accepted: u64,
    /// From sending a message, or from its due time if that was named, to the answer.
    pub(super) answers: Histogram,
    pub(super) faults: Faults,
}

const READ: usize = 16 << 10;

impl Publishers {
    pub(super) fn new(manner: &Manner<'_>, mint: Mint) -> io::Result<Self> {
        let series = Series::new(manner.channels, manner.connections);
        let post = |number| {
            let next = series.first_of(number, 0);
            Post { number, next, net: manner.net, ..Post::default() }
        };
        Ok(Self {
            letter: Letter::new(manner, mint),
            measured_from: manner.measured_from,
            watch: Watch::new()?,
            posts: (0..manner.connections).map(post).collect(),
            buffer: vec![0; READ],
            series,
            counts: vec![0; manner.channels as usize],
            accepted: 0,
            answers: Histogram::default(),
            faults: Faults::default(),
        })
    }

    /// What is readable when there is something to do.
    pub(super) fn readiness(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Channels, one message to each of which is a round.
    pub(super) fn channels(&self) -> u64 {
        self.series.channels()
    }

    /// Publishes the messages before that number, of all channels in turn, as soon as it can.
    pub(super) fn allow(&mut self, end: u64) {
        let new = self.series.allow(end);
        self.begin(new);
    }

    /// From now on so many messages are due in a second, up to the one of that number, which is not.
    ///
    /// Each counts from when it is due, however late it is sent.
    pub(super) fn pace(&mut self, rate: u32, end: u64) {
        self.series.pace(clock::now(), rate, end);
    }

    /// The same for a while that begins at `begin`.
    pub(super) fn pace_for(&mut self, begin: u64, rate: u32, time: Duration) {
        self.series.pace_for(begin, rate, clock::nanos(time));
    }

    /// Publishes what is due by now; returns when the next message is.
    pub(super) fn publish_due(&mut self, now: u64) -> Option<u64> {
        let new = self.series.allow_due(now);
        self.begin(new);
        self.series.next_due()
    }

    /// Nanoseconds from one due message to the next.
    pub(super) fn interval(&self) -> u64 {
        self.series.interval()
    }

    /// Whether messages are going to be due.
    pub(super) fn paced(&self) -> bool {
        self.series.next_due().is_some()
    }

    /// Nothing more becomes due; what was is still published.
    pub(super) fn stop(&mut self) {
        self.series.stop();
    }

    /// Connections that publish.
    pub(super) fn connections(&self) -> u32 {
        u32::try_from(self.posts.len()).unwrap_or(u32::MAX)
    }

    /// Tells how many wait for an answer although nothing has come for that time, where nothing else is
    /// the reason.
    pub(super) fn tell_unanswered(&mut self, time: Duration) {
        if self.faults.none() {
            let waiting = self.posts.iter().map(|post| u32::from(post.under_way.is_some())).sum();
            self.faults.unanswered([waiting, self.connections()], "publishers", time);
        }
    }

    /// Whether nothing is under way.
    pub(super) fn idle(&self) -> bool {
        self.posts.iter().all(|post| post.under_way.is_none())
    }

    /// From now on every connection publishes without pause, to its channels in turn.
    pub(super) fn run_endless(&mut self) {
        self.allow(u64::MAX);
    }

    /// Publishes nothing that is not under way yet.
    pub(super) fn cease(&mut self) {
        self.series.cease();
    }

    /// Handles what has come.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        for ready in self.watch.wait(0)? {
            let at = ready.key as usize;
            // First what may be an answer: who writes to a connection that has ended is told only that.
            if ready.readable {
                while self.read(at, ready.ends) {}
            }
            if ready.writable {
                self.write(at);
            }
        }
        Ok(())
    }

    /// Has connections that have nothing to do begin with these messages.
    fn begin(&mut self, messages: Range<u64>) {
        let round = usize::try_from(self.channels()).unwrap_or(usize::MAX);
        // A round concerns everyone.
        for number in messages.take(round) {
            let at = self.series.connection(number);
            if self.posts.get(at).is_some_and(|post| post.under_way.is_none()) {
                self.next(at);
            }
        }
    }

    /// Sends the next message of a connection, if there is one that may be sent.
    fn next(&mut self, at: usize) {
        let post = &mut self.posts[at];
        let Some(number) = post.next else { return };
        let Some((channel, due)) = self.series.message(number) else { return };
        post.next = self.series.first_of(post.number, number + 1);
        let count = &mut self.counts[channel as usize];
        let now = clock::now();
        let told = Told { sequence: *count, due: due.unwrap_or(now), again: false };
        *count += 1;
        post.under_way = Some((channel, told));
        post.sent = 0;
        self.letter.write(&mut post.out, channel, told);
        self.write(at);
    }

    /// Sends what the socket takes.
    fn write(&mut self, at: usize) {
        let Some(post) = self.posts.get_mut(at) else { return };
        if post.under_way.is_none() {
            return;
        }
        let sent = match &post.fd {
            Some(fd) => dial::write(fd, &post.out[post.sent..]),
            None => post.connect(&self.watch, self.letter.target()).map(|()| 0),
        };
        match sent {
            Ok(sent) => post.sent += sent,
            Err(error) => self.ended(at, Fault::Refused, &error),
        }
    }

    /// Reads once; returns whether to read again: there may be more, or the end.
    fn read(&mut self, at: usize, ends: bool) -> bool {
        let Some(post) = self.posts.get_mut(at) else { return false };
        let (Some(fd), Some(reader)) = (&post.fd, &mut post.reader) else { return false };
        let length = match dial::read(fd, &mut self.buffer) {
            Ok(None) => return false,
            Ok(Some(0)) => {
                let error = io::Error::new(ErrorKind::UnexpectedEof, "closed without an answer");
                self.ended(at, Fault::Closed, &error);
                return false;
            }
            Ok(Some(length)) => length,
            Err(error) => {
                self.ended(at, Fault::Refused, &error);
                return false;
            }
        };
        let mut answered = Answered::default();
        match reader.feed(&self.buffer[..length], Use::Ask, &mut answered) {
            Ok(()) if answered.0 => {
                if !self.answered(at) {
                    return false;
                }
            }
            Ok(()) => {}
            Err(Broken::Refused(why)) => self.fail(at, Fault::Unpublished, &why),
            Err(Broken::Framing(why) | Broken::Closed(why)) => {
                self.fail(at, Fault::Framing, &why);
            }
        }
        ends || length == READ
    }

    /// A message has been answered. Returns whether the connection goes on.
    fn answered(&mut self, at: usize) -> bool {
        let post = &mut self.posts[at];
        let last = post.reader.as_ref().is_some_and(Reader::is_last);
        if last {
            post.fd = None;
        }
        post.served = true;
        if let Some((_, told)) = post.under_way.take() {
            self.accepted += 1;
            if told.sequence >= self.measured_from {
                self.answers.record(clock::now().saturating_sub(told.due));
            }
        }
        self.next(at);
        !last
    }

    /// A connection has ended, or there is none: sends the message under way once more, if the server may
    /// have closed it as an idle one.
    fn ended(&mut self, at: usize, fault: Fault, error: &io::Error) {
        let post = &mut self.posts[at];
        let unasked = post.closed_unasked(error);
        match &mut post.under_way {
            // A server may close a connection that it owes nothing.
            None => post.fd = None,
            Some((channel, told)) if unasked => {
                told.again = true;
                self.letter.write(&mut post.out, *channel, *told);
                (post.fd, post.sent) = (None, 0);
                self.write(at);
            }
            Some(_) => self.fail(at, fault, &error.to_string()),
        }
    }

    /// Gives up the message under way and its connection, and publishes nothing more.
    ///
    /// The message is owed to nobody, and comes all the same if the server has taken it. That is no fault:
    /// what comes beyond what is owed is not missed, and no other message gets its number.
    fn fail(&mut self, at: usize, fault: Fault, why: &str) {
        self.series.cease();
        let post = &mut self.posts[at];
        post.fd = None;
        if let Some((channel, _)) = post.under_way.take() {
            self.counts[channel as usize] -= 1;
        }
        let number = post.number;
        self.faults.add(fault, || format!("publisher {number}: {why}"));
    }
}

//! Keep-alive connections that publish, one message at a time each.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::{
    clock, dial,
    faults::{Fault, Faults},
    histogram::Histogram,
    payload::{Mint, Told},
    reader::{Broken, Hear, Reader, Use},
    target::Target,
    watch::Watch,
};

#[derive(Debug)]
pub(super) struct Publishers {
    target: Target,
    headers: String,
    /// What is posted before and after the message, with a place for the channel.
    around: [String; 2],
    mint: Mint,
    /// The first message of a channel whose answer is timed.
    measured_from: u32,
    watch: Watch,
    posts: Vec<Post>,
    buffer: Vec<u8>,
    endless: bool,
    /// Messages sent to each channel.
    pub(super) counts: Vec<u32>,
    /// Messages that the server has accepted.
    pub(super) accepted: u64,
    /// From sending a message, or from its due time if that was named, to the answer.
    pub(super) answers: Histogram,
    pub(super) faults: Faults,
}

/// What is published how.
#[derive(Debug)]
pub(super) struct Manner<'a> {
    pub(super) target: &'a Target,
    pub(super) headers: String,
    /// With `{msg}`, and perhaps `{ch}`.
    pub(super) body: &'a str,
    pub(super) connections: u32,
    pub(super) channels: u32,
    pub(super) measured_from: u32,
    /// See [`dial::dial`].
    pub(super) net: u8,
}

#[derive(Debug, Default)]
struct Post {
    fd: Option<OwnedFd>,
    reader: Option<Reader>,
    queue: VecDeque<Job>,
    /// The channel of the message under way, and what it says.
    under_way: Option<(u32, Told)>,
    out: Vec<u8>,
    sent: usize,
    /// Which of its channels is next, where it publishes without pause.
    turn: usize,
    number: u32,
    net: u8,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    channel: u32,
    due: Option<u64>,
}

/// Whether an answer was whole.
#[derive(Default)]
struct Answered(bool);

const READ: usize = 16 << 10;

impl Hear for Answered {
    fn opened(&mut self) {}
    fn message(&mut self, _: &[u8]) {}
    fn ping(&mut self, _: &[u8]) {}

    fn answered(&mut self, _: &[u8]) {
        self.0 = true;
    }
}

impl Publishers {
    pub(super) fn new(manner: &Manner<'_>, mint: Mint) -> io::Result<Self> {
        let (before, after) = manner.body.split_once("{msg}").unwrap_or_default();
        let post = |number| Post { number, net: manner.net, ..Post::default() };
        Ok(Self {
            target: manner.target.clone(),
            headers: manner.headers.clone(),
            around: [before.to_owned(), after.to_owned()],
            mint,
            measured_from: manner.measured_from,
            watch: Watch::new()?,
            posts: (0..manner.connections).map(post).collect(),
            buffer: vec![0; READ],
            endless: false,
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

    /// Publishes the next message of a channel after those that its connection has to do.
    ///
    /// With a due time the message counts from then on, however late it is sent.
    pub(super) fn submit(&mut self, channel: u32, due: Option<u64>) {
        let at = channel as usize % self.posts.len().max(1);
        let Some(post) = self.posts.get_mut(at) else { return };
        post.queue.push_back(Job { channel, due });
        if post.under_way.is_none() {
            self.next(at);
        }
    }

    /// Connections that publish.
    pub(super) fn connections(&self) -> u32 {
        u32::try_from(self.posts.len()).unwrap_or(u32::MAX)
    }

    /// Whether nothing is under way.
    pub(super) fn idle(&self) -> bool {
        self.posts.iter().all(|post| post.under_way.is_none())
    }

    /// From now on every connection publishes without pause, to its channels in turn.
    pub(super) fn run_endless(&mut self) {
        self.endless = true;
        for at in 0..self.posts.len() {
            if self.posts[at].under_way.is_none() {
                self.next(at);
            }
        }
    }

    /// Publishes nothing that is not under way yet.
    pub(super) fn cease(&mut self) {
        self.endless = false;
        self.posts.iter_mut().for_each(|post| post.queue.clear());
    }

    /// Handles what has come.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        for ready in self.watch.wait(0)? {
            let at = ready.key as usize;
            if ready.writable {
                self.write(at);
            }
            if ready.readable {
                while self.read(at, ready.ends) {}
            }
        }
        Ok(())
    }

    /// Sends the next message of a connection, if there is one.
    fn next(&mut self, at: usize) {
        let step = if self.endless { self.posts.len() } else { 0 };
        let post = &mut self.posts[at];
        let job = post.queue.pop_front().or_else(|| post.next_in_turn(step, self.counts.len()));
        let Some(Job { channel, due }) = job else { return };
        let count = &mut self.counts[channel as usize];
        let now = clock::now();
        let told = Told { sequence: *count, due: due.unwrap_or(now) };
        *count += 1;
        post.under_way = Some((channel, told));
        let channel_name = self.mint.channel(channel);
        let [before, after] = &self.around;
        let mut body = before.replace("{ch}", &channel_name).into_bytes();
        self.mint.write(&mut body, channel, told);
        body.extend_from_slice(after.replace("{ch}", &channel_name).as_bytes());
        post.out.clear();
        post.sent = 0;
        self.target.write_request_line(&mut post.out, "POST", &channel_name);
        post.out.extend_from_slice(self.headers.as_bytes());
        // Writing to memory does not fail.
        let _ = write!(post.out, "Content-Length: {}\r\n\r\n", body.len());
        post.out.extend_from_slice(&body);
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
            None => post.connect(&self.watch, &self.target).map(|()| 0),
        };
        match sent {
            Ok(sent) => post.sent += sent,
            Err(error) => self.fail(at, Fault::Refused, &error.to_string()),
        }
    }

    /// Reads once; returns whether to read again: there may be more, or the end.
    fn read(&mut self, at: usize, ends: bool) -> bool {
        let Some(post) = self.posts.get_mut(at) else { return false };
        let (Some(fd), Some(reader)) = (&post.fd, &mut post.reader) else { return false };
        let length = match dial::read(fd, &mut self.buffer) {
            Ok(None) => return false,
            // A server may close a connection that it owes nothing.
            Ok(Some(0)) if post.under_way.is_none() => {
                post.fd = None;
                return false;
            }
            Ok(Some(0)) => {
                self.fail(at, Fault::Closed, "closed without an answer");
                return false;
            }
            Ok(Some(length)) => length,
            Err(error) => {
                self.fail(at, Fault::Refused, &error.to_string());
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
        if let Some((_, told)) = post.under_way.take() {
            self.accepted += 1;
            if told.sequence >= self.measured_from {
                self.answers.record(clock::now().saturating_sub(told.due));
            }
        }
        self.next(at);
        !last
    }

    /// Gives up the message under way, which nobody must have, and its connection.
    fn fail(&mut self, at: usize, fault: Fault, why: &str) {
        let post = &mut self.posts[at];
        post.fd = None;
        post.queue.clear();
        if let Some((channel, _)) = post.under_way.take() {
            self.counts[channel as usize] -= 1;
        }
        let number = post.number;
        self.faults.add(fault, || format!("publisher {number}: {why}"));
    }
}

impl Post {
    /// The next of the channels that are this connection's; 0 steps: none.
    fn next_in_turn(&mut self, step: usize, channels: usize) -> Option<Job> {
        let turns = channels.checked_sub(self.number as usize + 1)?.checked_div(step)? + 1;
        let at = self.turn % turns;
        self.turn = at + 1;
        let channel = u32::try_from(self.number as usize + at * step).ok()?;
        Some(Job { channel, due: None })
    }

    fn connect(&mut self, watch: &Watch, target: &Target) -> io::Result<()> {
        let fd = dial::dial(target.address(), self.net, self.number)?;
        watch.add(&fd, self.number)?;
        self.fd = Some(fd);
        self.reader = Some(Reader::new());
        Ok(())
    }
}

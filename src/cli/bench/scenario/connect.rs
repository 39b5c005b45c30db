//! `connect`: connections that are made, answered and closed, over and over.

use std::{io, os::fd::OwnedFd, time::Duration};

use super::super::{
    Error,
    arguments::{Connect, Publishing},
    clock::{nanos, now},
    dial,
    faults::{Fault, Faults},
    histogram::Histogram,
    meter::Meter,
    payload::{self, Mint},
    reader::{Broken, Hear, Reader, Use},
    report::{Report, Times},
    scene::Scene,
    stage::{PUBLISHERS, Stage, room},
    transport::Transport,
    watch::Watch,
};

/// All connections of the run.
struct Visits<'a> {
    asked: &'a Connect,
    mint: Mint,
    net: u8,
    watch: Watch,
    now: Vec<Option<Visit>>,
    begun: u32,
    over: u32,
    times: Histogram,
    faults: Faults,
    buffer: Vec<u8>,
    last: u64,
}

/// One connection.
struct Visit {
    fd: OwnedFd,
    reader: Reader,
    number: u32,
    since: u64,
    asked: bool,
}

/// What a visitor waits for.
struct Seen<'a> {
    mint: &'a Mint,
    number: u32,
    channel: u32,
    faults: &'a mut Faults,
    opened: bool,
    answered: bool,
}

const READ: usize = 16 << 10;
/// Nothing is waited for longer, in nanoseconds.
const PAUSE: u32 = 100_000_000;

/// Runs `connect`.
pub(in super::super) fn run(asked: &Connect) -> Result<Report, Error> {
    let common = &asked.common;
    let stage = Stage::new(common, 0);
    let mut scene = stage.scene();
    let primers = asked.common.channels.min(PUBLISHERS);
    room(asked.conns + primers)?;
    let meter = Meter::new(&common.pids, std::iter::empty())?;
    let primed = prime(asked, &stage, &mut scene)?;
    let mut complete = primed;
    meter.settle(&mut scene)?;
    let mut visits = Visits::new(asked, &stage)?;
    let start = meter.mark();
    let patience = Duration::from_secs(u64::from(common.patience));
    while complete && visits.over < asked.cycles {
        visits.turn()?;
        complete = visits.faults.none() && now().saturating_sub(visits.last) < nanos(patience);
        let over = visits.over;
        scene.progress.show(|| format!("{over} of {} connections", asked.cycles));
    }
    if primed && !complete && visits.faults.none() {
        let waiting = visits.now.iter().map(|visit| u32::from(visit.is_some())).sum();
        visits.faults.unanswered([waiting, asked.conns], "connections", patience);
    }
    // The server has work with what was closed.
    let [end, _] = meter.settle(&mut scene)?;
    let times = vec![Times::new("connect to head", &visits.times)];
    let mut result = Report::new("connect", common, 1);
    result.complete = complete;
    result.faults = scene.publishers.map(|all| all.faults).unwrap_or_default();
    result.faults.merge(visits.faults);
    result.phases = vec![meter.phase("connect", u64::from(visits.over), [start, end], times)];
    Ok(result.listening(asked.transport, asked.conns))
}

/// Publishes a message to each channel where a visitor is answered by none else.
fn prime(asked: &Connect, stage: &Stage<'_>, scene: &mut Scene) -> io::Result<bool> {
    let (Transport::LongPoll, Some(target)) = (asked.transport, &asked.target) else {
        return Ok(true);
    };
    let publishing =
        Publishing { target: target.clone(), pub_conns: None, pub_body: "{msg}".to_owned() };
    let mut publishers = stage.publishers(&publishing, asked.common.channels)?;
    publishers.allow(publishers.channels());
    scene.publishers = Some(publishers);
    while scene.accepted() < u64::from(asked.common.channels) {
        if scene.hopeless() {
            scene.tell_unanswered();
            return Ok(false);
        }
        scene.turn(None)?;
    }
    Ok(true)
}

impl<'a> Visits<'a> {
    fn new(asked: &'a Connect, stage: &Stage<'_>) -> io::Result<Self> {
        let mut visits = Self {
            asked,
            mint: stage.mint(),
            net: stage.net(),
            watch: Watch::new()?,
            now: (0..asked.conns).map(|_| None).collect(),
            begun: 0,
            over: 0,
            times: Histogram::default(),
            faults: Faults::default(),
            buffer: vec![0; READ],
            last: now(),
        };
        (0..visits.now.len()).for_each(|at| visits.begin(at));
        Ok(visits)
    }

    /// Begins another connection, if there are more to be made.
    fn begin(&mut self, at: usize) {
        if self.begun == self.asked.cycles {
            return;
        }
        let (number, since) = (self.begun, now());
        self.begun += 1;
        let dialled = dial::dial(self.asked.sub.address(), self.net, number);
        let registered = dialled.and_then(|fd| {
            self.watch.add(&fd, u32::try_from(at).unwrap_or(u32::MAX))?;
            Ok(fd)
        });
        match registered {
            Ok(fd) => {
                let reader = Reader::new();
                self.now[at] = Some(Visit { fd, reader, number, since, asked: false });
            }
            Err(why) => self.faults.add(Fault::Refused, || format!("connection {number}: {why}")),
        }
    }

    /// Waits for something to happen, not long.
    fn turn(&mut self) -> io::Result<()> {
        for ready in self.watch.wait(PAUSE)? {
            let at = ready.key as usize;
            let Some(visit) = self.now.get_mut(at).and_then(Option::as_mut) else { continue };
            if !visit.asked
                && ready.writable
                && let Err(why) = visit.ask(self.asked, &self.mint)
            {
                let number = visit.number;
                self.faults.add(Fault::Refused, || format!("connection {number}: {why}"));
                self.end(at);
                continue;
            }
            if ready.readable {
                while self.read(at) {}
            }
        }
        Ok(())
    }

    /// Reads once; returns whether there may be more.
    fn read(&mut self, at: usize) -> bool {
        let Some(visit) = &mut self.now[at] else { return false };
        let (number, channel) = (visit.number, visit.number % self.asked.common.channels);
        let (mint, faults) = (&self.mint, &mut self.faults);
        let mut seen = Seen { mint, number, channel, faults, opened: false, answered: false };
        let used = Use::Listen(self.asked.transport);
        let read = dial::read(&visit.fd, &mut self.buffer);
        let more = matches!(read, Ok(Some(READ)));
        let broken = match read {
            Ok(None) => return false,
            Ok(Some(0)) => Some(visit.reader.ended()),
            Ok(Some(length)) => visit.reader.feed(&self.buffer[..length], used, &mut seen).err(),
            Err(error) => Some(Broken::Refused(error.to_string())),
        };
        let welcome = seen.opened && self.asked.transport != Transport::LongPoll || seen.answered;
        if let Some(broken) = broken {
            self.faults.add(broken.fault(), || format!("connection {}: {broken}", visit.number));
        } else if welcome {
            self.times.record(now().saturating_sub(visit.since));
        } else {
            return more;
        }
        self.end(at);
        false
    }

    /// Closes a connection and begins another.
    fn end(&mut self, at: usize) {
        if let Some(visit) = self.now[at].take() {
            if self.asked.rst {
                dial::reset(visit.fd);
            }
            self.over += 1;
            self.last = now();
        }
        self.begin(at);
    }
}

impl Visit {
    /// Sends the request, which a socket that is connected takes as a whole.
    fn ask(&mut self, asked: &Connect, mint: &Mint) -> io::Result<()> {
        let channel = mint.channel(self.number % asked.common.channels);
        let mut out = Vec::with_capacity(256);
        let headers = asked.common.header_lines();
        asked.transport.write_request(&mut out, &asked.sub, &channel, &headers, b"");
        self.asked = true;
        match dial::write(&self.fd, &out)? {
            sent if sent == out.len() => Ok(()),
            _ => Err(io::Error::other("takes no request")),
        }
    }
}

impl Hear for Seen<'_> {
    fn opened(&mut self) {
        self.opened = true;
    }

    fn message(&mut self, bytes: &[u8]) {
        self.faults.checked += 1;
        if let Err(wrong) = self.mint.check(bytes, self.channel) {
            let (number, what) = (self.number, wrong.words());
            let words = || format!("connection {number}: {what}: {}", payload::shown(bytes));
            self.faults.add(wrong.fault(), words);
        }
    }

    fn answered(&mut self, _: &[u8]) {
        self.answered = true;
    }

    fn nothing(&mut self) {
        self.answered = true;
    }

    fn ping(&mut self, _: &[u8]) {}
}

//! Processes of the same program that hold what one may not: each has a [`Crowd`] of its own.
//!
//! They are told what to do by lines of JSON on their standard input and tell how far they are on
//! their standard output; one whose input ends leaves.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    crowd::{Crowd, Plan},
    faults::Faults,
    histogram::Histogram,
};

/// What a worker is told.
#[derive(Deserialize, Serialize)]
enum Order {
    /// Gather these subscribers.
    Gather(Box<Plan>),
    /// So many messages were published to each channel: report and leave.
    Finish(Vec<u32>),
}

/// What a worker tells.
#[derive(Deserialize, Serialize)]
enum Word {
    State(State),
    Report(Box<CrowdReport>),
}

/// How far subscribers are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct State {
    /// Subscribers that are on.
    pub(super) opened: u32,
    /// Subscribers that are no more.
    pub(super) gone: u32,
    /// See [`super::rounds::Rounds`].
    pub(super) done: u32,
    pub(super) heard: u64,
}

/// What subscribers have seen in the end.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct CrowdReport {
    pub(super) latency: Histogram,
    pub(super) opening: Histogram,
    pub(super) faults: Faults,
}

/// A process with a part of the subscribers.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// The beginning of a line.
    input: Vec<u8>,
    buffer: Box<[u8]>,
    /// Its subscribers.
    pub(super) count: u32,
    pub(super) state: State,
    pub(super) report: Option<CrowdReport>,
}

/// Between two words of a worker whose rounds do not change.
const SILENCE: Duration = Duration::from_millis(100);
/// Between two looks at what may be begun.
const MOMENT: Duration = Duration::from_millis(1);
/// One read, in bytes.
const READ: usize = 64 << 10;

impl State {
    pub(super) fn of(crowd: &Crowd) -> Self {
        let heard = &crowd.heard;
        Self {
            opened: heard.opened,
            gone: heard.gone,
            done: heard.rounds.done(),
            heard: heard.rounds.heard(),
        }
    }
}

impl CrowdReport {
    /// Closes the connections of a crowd and tells what it has seen.
    pub(super) fn of(crowd: &mut Crowd, published: &[u32]) -> Self {
        crowd.finish(published);
        let heard = &mut crowd.heard;
        Self {
            latency: std::mem::take(&mut heard.latency),
            opening: std::mem::take(&mut heard.opening),
            faults: std::mem::take(&mut heard.faults),
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.latency.add(&other.latency);
        self.opening.add(&other.opening);
        self.faults.merge(other.faults);
    }
}

impl Worker {
    pub(super) fn start(plan: Plan) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a worker process without pipes"));
        };
        let mut worker = Self {
            child,
            stdin: Some(stdin),
            stdout,
            input: Vec::new(),
            buffer: vec![0; READ].into(),
            count: plan.count,
            state: State::default(),
            report: None,
        };
        worker.order(&Order::Gather(Box::new(plan)))?;
        Ok(worker)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What is readable when there is something to do.
    pub(super) fn readiness(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    /// Reads what the worker has told; it must be readable.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let length = self.stdout.read(&mut self.buffer)?;
        if length == 0 && self.report.is_none() {
            return Err(io::Error::other("a worker process has ended"));
        }
        self.input.extend_from_slice(&self.buffer[..length]);
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            match serde_json::from_slice(&line)? {
                Word::State(state) => self.state = state,
                Word::Report(report) => self.report = Some(*report),
            }
        }
        Ok(())
    }

    /// Waits for what the worker has seen of so many messages to each channel.
    pub(super) fn finish(mut self, published: &[u32]) -> io::Result<CrowdReport> {
        self.order(&Order::Finish(published.to_vec()))?;
        while self.report.is_none() {
            self.turn()?;
        }
        self.stdin = None;
        self.child.wait()?;
        Ok(self.report.take().unwrap_or_default())
    }

    fn order(&mut self, order: &Order) -> io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => tell(stdin, order),
            None => Ok(()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has finished cannot be killed, and is no zombie after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tell(out: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

fn told<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// The life of a worker process.
pub(super) fn work() -> io::Result<()> {
    let mut input = BufReader::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut output = io::stdout().lock();
    let Some(Order::Gather(plan)) = told(&mut input)? else { return Ok(()) };
    let mut crowd = Crowd::new(*plan)?;
    let (mut last, mut told_at) = (State::default(), Instant::now());
    let mut more = false;
    loop {
        let gathering = !crowd.gathered();
        if gathering {
            crowd.gather();
        }
        let wait = match (more, gathering) {
            (true, _) => Duration::ZERO,
            (false, true) => MOMENT,
            (false, false) => SILENCE,
        };
        let [ordered, ready] = wait_for([input.get_ref().as_fd(), crowd.readiness()], wait)?;
        // What is ordered may have come with what was ordered before.
        if ordered || !input.buffer().is_empty() {
            return finish(&mut crowd, &mut input, &mut output);
        }
        more = ready && crowd.turn()?;
        let state = State::of(&crowd);
        if state.done != last.done || state != last && told_at.elapsed() >= SILENCE {
            tell(&mut output, &Word::State(state))?;
            (last, told_at) = (state, Instant::now());
        }
    }
}

/// Waits until something is readable; returns what is.
fn wait_for<const N: usize>(fds: [BorrowedFd<'_>; N], wait: Duration) -> io::Result<[bool; N]> {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
    let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    match poll(&mut fds, Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => Ok(fds.map(|fd| !fd.revents().is_empty())),
        Err(error) => Err(error.into()),
    }
}

/// Does as ordered; nothing if the input has ended.
fn finish(crowd: &mut Crowd, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let Some(Order::Finish(published)) = told(input)? else { return Ok(()) };
    let report = CrowdReport::of(crowd, &published);
    tell(output, &Word::Report(Box::new(report)))
}

//! All that takes part in a run: publishers and subscribers here, subscribers in other processes,
//! and neighbours. One thread; those whose times matter most have their turn first.

use std::{io, os::fd::BorrowedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    beat::Beat,
    clock::{nanos, now},
    crowd::Crowd,
    faults::Faults,
    fleet::{CrowdReport, State, Worker},
    histogram::Histogram,
    progress::Progress,
    publishers::Publishers,
    report::Times,
};

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) publishers: Option<Publishers>,
    /// The subscribers of this process.
    pub(super) crowd: Option<Crowd>,
    pub(super) workers: Vec<Worker>,
    pub(super) beat: Option<Beat>,
    pub(super) progress: Progress,
    /// How long nothing may come.
    patience: Duration,
    /// What there was when something last came, and when that was.
    last: (u64, u64),
    /// For what was waited in vain, in words.
    vain: Faults,
    more: bool,
}

/// Who has something to do.
#[derive(Clone, Copy)]
enum Part {
    Publishers,
    BeatPublishers,
    BeatCrowd,
    Worker(usize),
    Crowd,
}

/// Between two looks at what may be begun.
const MOMENT: u64 = 1_000_000;
/// Between two looks at everything else.
const PAUSE: u64 = 100_000_000;
/// How long is listened when everything has come: the last message may come twice, too.
const AFTERWARDS: Duration = Duration::from_millis(200);

impl Scene {
    pub(super) fn new(quiet: bool, patience: Duration) -> Self {
        Self {
            publishers: None,
            crowd: None,
            workers: Vec::new(),
            beat: None,
            progress: Progress::new(quiet),
            patience,
            last: (0, now()),
            vain: Faults::default(),
            more: false,
        }
    }

    /// How far all subscribers are.
    pub(super) fn state(&self) -> State {
        let states = self.workers.iter().map(|worker| worker.state);
        let all = self.crowd.as_ref().map(State::of).into_iter().chain(states);
        all.reduce(|sum, part| State {
            opened: sum.opened + part.opened,
            gone: sum.gone + part.gone,
            done: sum.done.min(part.done),
            heard: sum.heard + part.heard,
        })
        .unwrap_or_default()
    }

    /// Whether it makes no sense to go on: somebody has gone, or nothing comes.
    pub(super) fn hopeless(&mut self) -> bool {
        let failed = self.publishers.as_ref().is_some_and(|all| !all.faults.none());
        let lonely = self.beat.as_ref().is_some_and(Beat::failed);
        self.silent() || failed || lonely || self.state().gone > 0
    }

    /// From now on something may be expected to come.
    pub(super) fn expect(&mut self) {
        self.last.1 = now();
    }

    /// Whether nothing has come for longer than patience lasts. What the neighbours are sent all the
    /// time says nothing of the others.
    fn silent(&mut self) -> bool {
        let state = self.state();
        let beat = self.beat.as_ref().map_or(0, Beat::come);
        let come = state.heard + u64::from(state.opened) + self.accepted() + beat;
        if come != self.last.0 {
            self.last = (come, now());
        }
        let between = self.publishers.as_ref().map_or(0, Publishers::interval);
        now().saturating_sub(self.last.1) > nanos(self.patience) + between
    }

    /// All subscribers but the neighbours.
    fn everyone(&self) -> u32 {
        let here = self.crowd.as_ref().map_or(0, |crowd| crowd.plan.count);
        here + self.workers.iter().map(|worker| worker.count).sum::<u32>()
    }

    /// Descriptors that the neighbours have.
    pub(super) fn neighbours(&self) -> u32 {
        self.beat.as_ref().map_or(0, |beat| 2 * beat.crowd.plan.count)
    }

    /// Makes all connections; returns whether everyone is on.
    pub(super) fn gather(&mut self) -> io::Result<bool> {
        let beat = self.beat.as_ref().map_or(0, |beat| beat.crowd.plan.count);
        let (all, mut complete) = (self.everyone(), false);
        self.expect();
        while !complete && !self.hopeless() {
            self.crowd.iter_mut().for_each(Crowd::gather);
            self.beat.iter_mut().for_each(|beat| beat.crowd.gather());
            self.turn(Some(now() + MOMENT))?;
            let opened = self.state().opened;
            let beating = self.beat.as_ref().map_or(0, |beat| beat.crowd.heard.opened);
            complete = opened == all && beating == beat;
            self.progress.show(|| format!("{opened} of {all} subscribers are on"));
        }
        if !complete && self.silent() {
            let beating = self.beat.as_ref().map_or(0, |beat| beat.crowd.heard.opened);
            let on = self.state().opened;
            self.vain.unanswered([all - on, all], "subscribers", self.patience);
            self.vain.unanswered([beat - beating, beat], "neighbours", self.patience);
        }
        Ok(complete)
    }

    /// Lets everything happen for a while.
    pub(super) fn run_for(&mut self, time: Duration) -> io::Result<()> {
        let end = now() + nanos(time);
        while now() < end {
            self.turn(Some(end))?;
        }
        Ok(())
    }

    /// The same, and shows how much of it is over.
    pub(super) fn wait_for(&mut self, seconds: u32) -> io::Result<()> {
        for over in 1..=seconds {
            self.run_for(Duration::from_secs(1))?;
            let opened = self.state().opened;
            let words = || format!("{over} of {seconds} seconds, {opened} subscribers are on");
            self.progress.show(words);
        }
        Ok(())
    }

    /// Waits for what happens, at most until then, and handles it.
    pub(super) fn turn(&mut self, until: Option<u64>) -> io::Result<()> {
        let now = now();
        let next = self.beat.as_mut().and_then(|beat| beat.publishers.publish_due(now));
        let until = until.into_iter().chain(next).min().unwrap_or(now + PAUSE);
        let wait = if self.more { 0 } else { until.min(now + PAUSE).saturating_sub(now) };
        for part in self.ready(wait)? {
            match part {
                Part::Publishers => self.publishers.iter_mut().try_for_each(Publishers::turn)?,
                Part::BeatPublishers => {
                    self.beat.iter_mut().try_for_each(|beat| beat.publishers.turn())?;
                }
                Part::BeatCrowd => {
                    self.beat.iter_mut().try_for_each(|beat| beat.crowd.turn().map(drop))?;
                }
                Part::Worker(at) => self.workers.get_mut(at).map_or(Ok(()), Worker::turn)?,
                Part::Crowd => {
                    if let Some(crowd) = &mut self.crowd {
                        self.more = crowd.turn()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits so many nanoseconds for anybody who has something to do.
    fn ready(&mut self, wait: u64) -> io::Result<Vec<Part>> {
        self.more = false;
        let mut parts: Vec<(Part, BorrowedFd<'_>)> = Vec::with_capacity(4 + self.workers.len());
        parts.extend(self.publishers.iter().map(|all| (Part::Publishers, all.readiness())));
        if let Some(beat) = &self.beat {
            parts.push((Part::BeatPublishers, beat.publishers.readiness()));
            parts.push((Part::BeatCrowd, beat.crowd.readiness()));
        }
        let workers = self.workers.iter().enumerate();
        parts.extend(workers.map(|(at, worker)| (Part::Worker(at), worker.readiness())));
        parts.extend(self.crowd.iter().map(|crowd| (Part::Crowd, crowd.readiness())));
        let fds = parts.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = fds.collect();
        let wait = Timespec {
            tv_sec: i64::try_from(wait / 1_000_000_000).unwrap_or_default(),
            tv_nsec: i64::try_from(wait % 1_000_000_000).unwrap_or_default(),
        };
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = parts.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((part, _), _)| *part).collect())
    }

    /// Messages that the server has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.publishers.as_ref().map_or(0, |publishers| publishers.accepted)
    }

    /// Publishes nothing more, and waits until everyone has what was published; returns whether that
    /// came to pass. Whoever was only slow has lost nothing.
    pub(super) fn rest(&mut self) -> io::Result<bool> {
        self.publishers.iter_mut().for_each(Publishers::cease);
        self.beat.iter_mut().for_each(|beat| beat.publishers.stop());
        loop {
            let answered = self.publishers.as_ref().is_none_or(Publishers::idle);
            let beaten = self.beat.as_ref().is_none_or(Beat::at_rest);
            if answered && beaten && self.state().heard >= self.owed() {
                return Ok(true);
            }
            if self.silent() {
                return Ok(false);
            }
            self.turn(None)?;
        }
    }

    /// Nothing comes any more: tells which publishers wait.
    pub(super) fn tell_unanswered(&mut self) {
        self.publishers.iter_mut().for_each(|all| all.tell_unanswered(self.patience));
    }

    /// How many deliveries the messages sent so far must bring.
    fn owed(&self) -> u64 {
        let counts = self.publishers.as_ref().map_or(&[][..], |publishers| &publishers.counts);
        let (all, channels) = (u64::from(self.everyone()), counts.len().max(1) as u64);
        let listeners = |at: usize| all / channels + u64::from((at as u64) < all % channels);
        counts.iter().enumerate().map(|(at, count)| u64::from(*count) * listeners(at)).sum()
    }

    /// Times of the large channel.
    pub(super) fn times(&self, report: &CrowdReport) -> Vec<Times> {
        let answers = self.publishers.iter();
        let answers = answers.map(|all| Times::new("publisher's answer", &all.answers));
        [Times::new("delivery", &report.latency)].into_iter().chain(answers).collect()
    }

    /// Answers before now do not count.
    pub(super) fn forget_times(&mut self) {
        self.publishers.iter_mut().for_each(|all| all.answers = Histogram::default());
    }

    /// From now on the neighbours get messages.
    pub(super) fn start_beat(&mut self) {
        self.beat.iter_mut().for_each(Beat::start);
    }

    /// What the neighbours have seen.
    pub(super) fn beat_report(&mut self, faults: &mut Faults) -> Vec<Times> {
        self.beat.take().map_or_else(Vec::new, |beat| beat.report(faults))
    }

    /// Ends the run: closes all connections and adds up what was seen. Neighbours keep their own.
    pub(super) fn finish(&mut self) -> io::Result<CrowdReport> {
        if self.rest()? {
            self.run_for(AFTERWARDS)?;
        } else {
            self.tell_unanswered();
        }
        let published = self.publishers.as_ref().map_or(&[][..], |all| &all.counts);
        let faults = std::mem::take(&mut self.vain);
        let mut report = CrowdReport { faults, ..CrowdReport::default() };
        if let Some(crowd) = &mut self.crowd {
            report.merge(CrowdReport::of(crowd, published));
        }
        for worker in self.workers.drain(..) {
            report.merge(worker.finish(published)?);
        }
        if let Some(publishers) = &mut self.publishers {
            report.faults.merge(std::mem::take(&mut publishers.faults));
        }
        Ok(report)
    }
}

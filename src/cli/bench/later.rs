//! Subscribers that are to ask again a while later, because there was nothing for them.

use std::{collections::VecDeque, io, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};

use super::{
    clock::{SECOND, now},
    watch::Watch,
};

/// From an answer without a message to the next request, in nanoseconds.
const INTERVAL: u64 = SECOND;
/// Between two looks at whose time has come, in nanoseconds.
const TICK: i64 = 10_000_000;

#[derive(Debug)]
pub(super) struct Later {
    /// Who asks when, the next first.
    waiting: VecDeque<(u64, u32)>,
    timer: OwnedFd,
}

impl Later {
    /// Wakes the watch with this key as often as it has to be looked at.
    pub(super) fn new(watch: &Watch, key: u32) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK };
        let often = Itimerspec { it_interval: tick, it_value: tick };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &often)?;
        watch.add(&timer, key)?;
        Ok(Self { waiting: VecDeque::new(), timer })
    }

    pub(super) fn put(&mut self, number: u32) {
        self.waiting.push_back((now() + INTERVAL, number));
    }

    /// The timer has ticked.
    pub(super) fn ticked(&self) -> io::Result<()> {
        match rustix::io::read(&self.timer, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Somebody whose time has come.
    pub(super) fn next(&mut self) -> Option<u32> {
        let (due, number) = *self.waiting.front()?;
        (due <= now()).then(|| {
            self.waiting.pop_front();
            number
        })
    }
}
